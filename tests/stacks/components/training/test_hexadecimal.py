"""The sha256 that S3 returns in base64 is registered in hexadecimal digits."""

import base64

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stacks.components.training.hexadecimal import sha256_hexadecimal
from tests.stacks.state_expressions import evaluate

EXPRESSION = f"{{% {sha256_hexadecimal('$checksum')} %}}"


@settings(deadline=None)  # the first evaluation parses
@given(st.binary(min_size=32, max_size=32))
@example(bytes(32))
@example(b"\xff" * 32)
@example(bytes(31) + b"\x01")
@example(b"\x00\x10\x83" * 10 + b"\xfb\xf0")  # every character of the alphabet is in the next two
@example(base64.b64decode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopo="))
@example(base64.b64decode("pqrstuvwxyz0123456789+/pqrstuvwxyz012345678="))
def test_it_is_the_same_number(digest: bytes) -> None:
    checksum = base64.b64encode(digest).decode()
    assert evaluate(EXPRESSION, {}, variables={"checksum": checksum}) == digest.hex()
