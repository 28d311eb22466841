"""JSON that would cost Python seconds and hundreds of megabytes to read."""

import time
import tracemalloc

import pytest

from classifier_proxy.errors import InvalidJsonError, InvalidRequestError, RequestError
from classifier_proxy.requests import ApiEvent, parse_request

MIB = 1024 * 1024
# API Gateway hands over up to 10 MB, Lambda takes 6 MB.
BODY_BYTES = 5 * MIB
FLOODS = {
    "nested lists": b"[" + b",".join([b"[" * 900 + b"]" * 900] * 2900) + b"]",
    "nested objects": b"[" + b",".join([b'{"a":' * 400 + b"1" + b"}" * 400] * 2100) + b"]",
    "lists of lists": b"[" + b"[[]]," * (BODY_BYTES // 5) + b"1]",
    "objects": b"[" + b"{}," * (BODY_BYTES // 3) + b"1]",
    "numbers": b"[" + b"1," * (BODY_BYTES // 2) + b"1]",
    "members": b"{" + b'"a":1,' * (BODY_BYTES // 6) + b'"a":1}',
    "brackets": b"[" * BODY_BYTES,
    "blanks": b" " * BODY_BYTES,
    "one number": b"1" * BODY_BYTES,
    "an escaped text": b'{"image": "' + b"\\u0041" * (BODY_BYTES // 6) + b'"}',
}


def refuse(body: bytes) -> RequestError:
    headers: dict[str, str | None] = {"content-type": "application/json"}
    with pytest.raises(RequestError) as refused:
        parse_request(ApiEvent("POST", "/predict", headers, body))
    return refused.value


@pytest.mark.parametrize("body", FLOODS.values(), ids=FLOODS)
def test_no_json_takes_long(body: bytes) -> None:
    started = time.process_time()
    refuse(body)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("body", FLOODS.values(), ids=FLOODS)
def test_no_json_takes_much_memory(body: bytes) -> None:
    tracemalloc.start()
    refuse(body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 40 * MIB


@pytest.mark.parametrize("brackets", [1, 64, 65])
def test_the_error_names_the_problem_either_way(brackets: int) -> None:
    body = b"[" * brackets + b"]" * brackets
    error = refuse(body)
    assert isinstance(error, InvalidRequestError)
    assert 'an object such as {"image": "<base64>"}' in str(error)


def test_an_image_of_many_brackets_is_still_an_image() -> None:
    error = refuse(b"\xff\xd8\xff" + b"[{," * 10_000)
    assert isinstance(error, InvalidJsonError)
    assert "Send it with its own Content-Type" in str(error)
