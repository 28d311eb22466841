"""An image as text: base64 as clients write it."""

import base64
import contextlib
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier_proxy.encoded_images import decode_image
from classifier_proxy.errors import InvalidBase64Error, PayloadTooLargeError, RequestError
from classifier_proxy.image_checks import MAX_IMAGE_BYTES
from tests.cpu_time import check_cpu_time

FOUR_MIB = MAX_IMAGE_BYTES


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 255])
def test_padding_line_breaks_and_a_data_url_are_accepted(length: int) -> None:
    content = bytes(range(length))
    encoded = encode(content)
    wrapped = "\r\n".join(textwrap.wrap(encoded, 76))

    for text in (encoded, encoded.rstrip("="), wrapped, f" {wrapped}\n", "\t".join(encoded)):
        for prefix in ("", "data:image/png;base64,", "DATA:;BASE64,", "data:a/b;c=d;base64,\n"):
            assert decode_image(prefix + text) == content


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "A===",
        "AA=",
        "AAAA=",
        "AA===",
        "====",
        "=",
        "AA==AA==",
        "AA=A",
        "_9j_",
        "-9j-",
        "é",
        "\uff21" * 4,
        "\ud800",
        "AA\0A",
        "AA\x0bA",
        "AA%3D%3D",
        "data:image/png,AAAA",
        "data:image/png;base64",
        "data:image/png;base64;AAAA",
        f"data:{'x' * 300};base64,AAAA",
        "data:image/png;base64,data:image/png;base64,AAAA",
        "https://example.com/cat.jpg",
    ],
)
def test_anything_else_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(InvalidBase64Error, match="Padding may be left out"):
        decode_image(text)


@given(st.binary(max_size=60), st.data())
def test_whatever_is_put_between_the_characters_the_bytes_come_back(
    content: bytes, data: st.DataObject
) -> None:
    gaps = st.text(" \t\r\n", max_size=2)
    text = "".join(character + data.draw(gaps) for character in encode(content))

    assert decode_image(text) == content


@given(st.text("AB+/=_- \n", max_size=20) | st.text(max_size=20))
def test_what_is_accepted_is_what_the_standard_decoder_makes_of_it(text: str) -> None:
    try:
        decoded = decode_image(text)
    except RequestError:
        return
    bare = "".join(text.split())
    assert decoded == base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def test_the_size_is_checked_before_and_to_the_byte() -> None:
    assert len(decode_image(encode(bytes(FOUR_MIB)))) == FOUR_MIB
    assert len(decode_image("data:;base64," + encode(bytes(FOUR_MIB)).rstrip("="))) == FOUR_MIB
    with pytest.raises(PayloadTooLargeError, match=f"has {FOUR_MIB + 1} bytes"):
        decode_image(encode(bytes(FOUR_MIB + 1)))
    with pytest.raises(PayloadTooLargeError):
        decode_image("!" * (2 * FOUR_MIB))


@pytest.mark.parametrize("filling", ["\n", " ", "=", "A\n", "=\n", "data:", ";base64,", "A=", "é"])
def test_no_6_mb_take_long(filling: str) -> None:
    text = filling * (6_000_000 // len(filling))

    def work() -> None:
        with contextlib.suppress(RequestError):
            decode_image(text)
            decode_image(f"data:{text}")

    check_cpu_time(work, max_seconds=0.5)
