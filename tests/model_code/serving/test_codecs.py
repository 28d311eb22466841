from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classifier.errors import RequestError
from classifier.serving.codecs import (
    FORM_BY_CONTENT_TYPE,
    RequestForm,
    is_image_alone,
    read_request,
)
from tests.cpu_time import check_cpu_time

MAX_BODY_BYTES = 10 * 1024 * 1024


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        ";",
        "image/jpeg",
        "IMAGE/WEBP",
        "image/png; x=y",
        "image/jpg",
        "image/pjpeg",
        "image/x-png",
        "application/octet-stream",
        "application/x-image",
        "application/x-www-form-urlencoded; charset=UTF-8",
    ],
)
@pytest.mark.parametrize("body", [b"any bytes", bytearray(b"any bytes")])
def test_one_image_is_the_body_itself(header: str, body: bytes | bytearray) -> None:
    request = read_request(header, body, max_images=1)
    assert request.form is RequestForm.IMAGE
    assert list(request.images) == [b"any bytes"]


@pytest.mark.parametrize(
    "header", ["text/plain", "image/gif", "image/jpeg,image/png", "multipart/mixed", "x" * 999]
)
def test_other_content_types_are_refused_with_a_list_of_those_that_are_not(
    header: str,
) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(header, b"x", max_images=1)
    assert caught.value.code == "unsupported_media_type"
    assert all(name in caught.value.message for name in FORM_BY_CONTENT_TYPE)
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("header", [None, "image/png", "application/json", "text/plain"])
def test_an_empty_body_is_refused(header: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(header, b"", max_images=1)
    assert caught.value.code == "empty_body"


@settings(max_examples=1000)
@given(
    header=st.none() | st.text(max_size=30) | st.sampled_from(sorted(FORM_BY_CONTENT_TYPE)),
    body=st.binary(max_size=80)
    | st.text(alphabet='{}[]",:0-1e.\\ub64instances=AQ \n', max_size=80).map(str.encode),
)
@example(header="\ud800", body=b"x")
def test_whatever_is_sent_is_read_or_refused(header: str | None, body: bytes) -> None:
    try:
        request = read_request(header, body, max_images=3)
    except RequestError as error:
        refusals = [error]
    else:
        assert 1 <= len(request.images) <= 3
        refusals = [item for item in request.images if isinstance(item, RequestError)]
        assert not refusals or request.form is RequestForm.LINES
    assert {refusal.status for refusal in refusals} <= {400, 415}
    # They go into a response: no half of a character, and not as long as what was sent.
    assert all(len(refusal.message.encode()) < 500 for refusal in refusals)


@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
@pytest.mark.parametrize(
    ("start", "filler"),
    [
        (b"", b"["),
        (b"", b"]"),
        (b"", b"1"),
        (b"", b","),
        (b"", b" "),
        (b"", b"\n"),
        (b"", b"\xff"),
        (b"", b'{"a":'),
        (b"", b"{}\n"),
        (b'{"instances":', b"["),
        (b'{"instances":[', b"[],"),
        (b'{"instances":[', b"{},"),
        (b'{"instances":[', b'"",'),
        (b'{"instances":[1.', b"1"),
        (b'{"instances":[1e', b"1"),
        (b'{"instances":[{"b64":"', b"A"),
        (b'{"b64":"', b"\\u0041"),
        (b'{"', b"\\ud800"),
    ],
)
def test_no_body_takes_long_to_refuse(content_type: str, start: bytes, filler: bytes) -> None:
    body = (start + filler * (MAX_BODY_BYTES // len(filler)))[:MAX_BODY_BYTES]

    def work() -> None:
        with contextlib.suppress(RequestError):
            images = read_request(content_type, body, max_images=64).images
            assert all(isinstance(image, RequestError) for image in images)

    # Measured: 0.05 s at most.
    check_cpu_time(work, max_seconds=1)


@pytest.mark.parametrize(
    ("header", "alone"),
    [
        (None, True),
        ("image/jpeg", True),
        ("Application/Octet-Stream", True),
        ("multipart/form-data; boundary=x", False),
        ("application/json; charset=utf-8", False),
        ("application/jsonlines", False),
    ],
)
def test_only_a_body_that_is_an_image_is_not_parsed(header: str | None, alone: bool) -> None:
    assert is_image_alone(header) is alone


@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
def test_the_largest_image_in_json_is_read_in_time(content_type: str) -> None:
    image = bytes(MAX_BODY_BYTES * 3 // 4 - 96)
    body = b'{"b64":"' + base64.b64encode(image) + b'"}'
    if content_type == "application/json":
        body = b'{"instances":[' + body + b"]}"
    request = check_cpu_time(lambda: read_request(content_type, body, max_images=1), max_seconds=1)
    assert request.images == (image,)
