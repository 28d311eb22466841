from __future__ import annotations

import contextlib
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classifier.errors import RequestError
from classifier.serving.codecs import RequestForm, read_request
from tests.cpu_time import check_cpu_time

TYPE = "multipart/form-data; boundary=xyz"
HEAD = b'--xyz\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
END = b"\r\n--xyz--\r\n"
MAX_BODY_BYTES = 10 * 1024 * 1024


def _read(body: bytes, content_type: str = TYPE) -> bytes:
    request = read_request(content_type, bytearray(body), max_images=1)
    assert request.form is RequestForm.IMAGE
    (image,) = request.images
    assert isinstance(image, bytes)
    return image


def _read_or_refuse(body: bytes, content_type: str = TYPE) -> None:
    with contextlib.suppress(RequestError):
        _read(body, content_type)


def _refusal(body: bytes, content_type: str = TYPE) -> RequestError:
    with pytest.raises(RequestError) as caught:
        _read(body, content_type)
    assert caught.value.status == 400
    return caught.value


@given(st.binary(min_size=1, max_size=300))
@example(b"\r\n--xy")
@example(b"--xyz")
@example(b"\r\n--xyy--\r\n")
@example(b"\r")
def test_the_file_is_read_as_it_is(content: bytes) -> None:
    assert _read(HEAD + content + END) == content


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="xyz"',
        "Multipart/Form-Data; charset=utf-8; Boundary=xyz",
        "multipart/form-data;boundary=xyz; x=y",
    ],
)
def test_the_boundary_is_found_however_it_is_written(content_type: str) -> None:
    assert _read(HEAD + b"image" + END, content_type) == b"image"


@pytest.mark.parametrize(
    "head",
    [
        b'--xyz\r\nContent-Disposition: form-data; name="file"\r\n\r\n',
        b"--xyz\r\n\r\n",
        b'--xyz\r\nContent-Type: a/b\r\ncontent-disposition: form-data; name="\xc3\xa9"\r\n\r\n',
        b"\r\n" + HEAD,
    ],
)
def test_what_the_field_is_called_does_not_matter(head: bytes) -> None:
    assert _read(head + b"image" + END) == b"image"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (HEAD + b"one\r\n" + HEAD + b"two" + END, "more than one part"),
        (HEAD + b'one\r\n--xyz\r\nContent-Disposition: form-data; name="k"\r\n\r\n3' + END, "more"),
        (HEAD + b"cut", "ends before its closing boundary"),
        (HEAD, "ends before its closing boundary"),
        (HEAD[:20], "ends before its closing boundary"),
        (b"--xyz--\r\n", "it has no part"),
        (b"image", "does not begin with the boundary in Content-Type"),
        (b"--other" + HEAD[5:] + b"one\r\n--other--\r\n", "begin with the boundary"),
        (b"\xff\xd8\xff\xe0 a JPEG", "does not begin with the boundary in Content-Type"),
        (b"--xyz\r\n" + b"a: b\r\n" * 99, "header of its part"),
        (b"--xyz\r\n" + b"a" * 100_000, "header of its part"),
        (HEAD + b"one\r\n--xyz x", "follows a boundary"),
        (HEAD + b"one\r\n--xyz" + b" " * 100 + b"\r\n", "blanks or more follow a boundary"),
        (HEAD + b"one" + b"\r\n--xyzz" * 3 + END, "more than one part"),
    ],
)
def test_another_number_of_files_than_one_is_refused(body: bytes, words: str) -> None:
    error = _refusal(body)
    assert error.code == "invalid_request"
    assert words in error.message
    assert "expected one file and no other field" in error.message


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", TYPE + "x" * 99]
)
def test_a_header_without_a_boundary_is_named(content_type: str) -> None:
    error = _refusal(HEAD + b"image" + END, content_type)
    assert error.code == "invalid_request"
    assert "Content-Type multipart/form-data has no boundary of 1 to 70 characters" in error.message
    assert "let the HTTP client write this header" in error.message


def test_the_parser_logs_nothing_of_a_malformed_body(caplog: pytest.LogCaptureFixture) -> None:
    _refusal(b"image")
    _refusal(b"--xyz\r\n\0: b\r\n\r\n")
    assert caplog.records == []


def test_a_form_in_which_no_file_was_chosen_is_empty() -> None:
    assert _refusal(HEAD + END).code == "empty_body"


@given(
    pieces=st.lists(
        st.sampled_from([HEAD, END, b"\r\n", b"--xyz", b"--", b":", b"a: b\r\n", b"\0"])
        | st.binary(max_size=9),
        max_size=12,
    ),
    boundary=st.sampled_from(["xyz", "x", "é", '"xyz"', "\ud800"]) | st.text(max_size=80),
)
@settings(max_examples=600)
def test_any_body_is_read_or_refused(pieces: list[bytes], boundary: str) -> None:
    body = b"".join(pieces)
    refusals: list[RequestError] = []
    try:
        read_request(f"multipart/form-data; boundary={boundary}", body, max_images=1)
    except RequestError as error:
        refusals = [error]
    assert all(refusal.status == 400 for refusal in refusals)
    assert all(len(refusal.message.encode()) < 500 for refusal in refusals)


FILLERS = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n-",
    b"\r\n--xy",
    b"\r\n--xyy",
    b"\r\n--xyz-",
    b"\r\n--xyz\r",
    b"\r\n--xyza",
    b"\r\n--xyz ",
    b"\r\n--xyz\r\n\r\n",
    b"--xyz",
    b"-",
    b" ",
    b"\t",
]
STARTS = [
    b"",
    b"--xyz\r\n",
    b"--xyz\r\n\r\n",
    HEAD,
    HEAD + b"x\r\n--xyz",
    b"\r\n" + HEAD + b"x\r\n--xyz",
    HEAD + b"x" + END,
]


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("start", STARTS)
def test_no_body_takes_long(start: bytes, filler: bytes) -> None:
    body = (start + filler * (MAX_BODY_BYTES // len(filler)))[:MAX_BODY_BYTES]
    for whole in (body, body[: -len(END)] + END):
        check_cpu_time(partial(_read_or_refuse, whole), max_seconds=0.25)


@pytest.mark.parametrize("boundary", ["-", "-" * 70, " ", "x" * 70])
def test_no_boundary_makes_a_body_take_long(boundary: str) -> None:
    delimiter = b"\r\n--" + boundary.encode()
    for filler in (boundary.encode(), delimiter[:-1], delimiter, b" "):
        body = b"--" + boundary.encode() + b"\r\n\r\nx" + delimiter
        body = (body + filler * (MAX_BODY_BYTES // len(filler)))[:MAX_BODY_BYTES]
        content_type = f'multipart/form-data; boundary="{boundary}"'
        check_cpu_time(partial(_read_or_refuse, body, content_type), max_seconds=0.5)
