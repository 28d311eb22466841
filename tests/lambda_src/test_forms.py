"""multipart/form-data with one file."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from classifier_proxy.errors import InvalidRequestError
from classifier_proxy.forms import MAX_PARTS, parse_form
from tests.cpu_time import check_cpu_time
from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.forms import BOUNDARY, CONTENT_TYPE, file, form, joined, part
from tests.lambda_src.stand_in import SageMakerRuntime

SOURCES = Path(__file__).parents[2] / "lambda_src"
FOUR_MIB = 4 * 1024 * 1024


def test_the_file_of_a_form_is_passed_on(proxy: Proxy, runtime: SageMakerRuntime) -> None:
    body, content_type = form(JPEG)

    assert proxy.call(body, content_type=content_type).status == 200
    assert runtime.requests[0].body == JPEG
    assert runtime.requests[0].headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CONTENT_TYPE, joined(file(JPEG, name="upload", filename="Katze ä.png"))),
        (CONTENT_TYPE, joined(part('name=x; filename=""', JPEG))),
        (f'multipart/form-data; charset=utf-8; boundary="{BOUNDARY}"', joined(file(JPEG))),
        (CONTENT_TYPE, b"\r\n" + joined(file(JPEG))),
        (CONTENT_TYPE, joined(file(JPEG)) + b"an epilogue"),
        (CONTENT_TYPE, joined(file(JPEG))[:-2]),  # no line break at the very end
        (CONTENT_TYPE, joined(file(JPEG)).replace(b"Content-Disp", b"content-dISP")),
        (
            CONTENT_TYPE,
            joined(part('name="x"; filename="y"', JPEG, "Content-Length: 281", "X-Other: 1")),
        ),
    ],
)
def test_what_clients_write_differently_is_read_too(content_type: str, body: bytes) -> None:
    assert parse_form(content_type, body) == (JPEG, {})


def test_fields_beside_the_file_are_parameters() -> None:
    fields = {"top_k": "3", "order": "score", "scores": "logits"}
    body, content_type = form(JPEG, fields)

    assert parse_form(content_type, body) == (JPEG, fields)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"--",
        b"\r\n--",
        f"\r\n--{BOUNDARY[:-1]}".encode(),
        f"\r\n-{BOUNDARY}\r\n".encode(),
        f"--{BOUNDARY}x".encode(),
        bytes(range(256)) * 9,
    ],
)
def test_the_files_bytes_are_not_changed(content: bytes) -> None:
    assert parse_form(CONTENT_TYPE, form(content)[0]) == (content, {})


@given(
    st.lists(
        st.sampled_from((b"\r", b"\n", b"-", b"--", b"\r\n--", BOUNDARY[:9].encode()))
        | st.binary(max_size=20)
    ).map(b"".join)
)
def test_no_files_bytes_are_changed(content: bytes) -> None:
    if f"\r\n--{BOUNDARY}".encode() not in b"\r\n" + content:
        assert parse_form(CONTENT_TYPE, form(content)[0]) == (content, {})


SECOND = file(JPEG)
REFUSED = {
    "no boundary": ("multipart/form-data", joined(SECOND), "has no boundary"),
    "an empty boundary": ("multipart/form-data; boundary=", joined(SECOND), "has no boundary"),
    "a long boundary": (f"multipart/form-data; boundary={'x' * 300}", joined(SECOND), "is not the"),
    "another boundary": ("multipart/form-data; boundary=other", joined(SECOND), "is not the"),
    "no form": (CONTENT_TYPE, JPEG, "is not the"),
    "no parts": (CONTENT_TYPE, joined(), "has 0 files"),
    "the rest is missing": (CONTENT_TYPE, joined(SECOND)[:-10], "ends before"),
    "two files": (CONTENT_TYPE, joined(SECOND, SECOND), "has 2 files"),
    "fields alone": (CONTENT_TYPE, joined(part('name="top_k"', b"3")), "has 0 files"),
    "a text for a file": (CONTENT_TYPE, joined(part('name="image"', JPEG)), "no file"),
    "another field": (CONTENT_TYPE, joined(SECOND, part('name="topk"', b"3")), "no file"),
    "a field twice": (
        CONTENT_TYPE,
        joined(SECOND, *[part('name="top_k"', b"3")] * 2),
        "top_k more than once",
    ),
    "many parts": (CONTENT_TYPE, joined(*[SECOND] * (MAX_PARTS + 2)), "more than 4 parts"),
    "one part too many": (CONTENT_TYPE, joined(*[SECOND] * (MAX_PARTS + 1)), "has 5 files"),
    "no disposition": (CONTENT_TYPE, joined(b"X: y\r\n\r\n" + JPEG), "no file"),
    "many headers": (
        CONTENT_TYPE,
        joined(part('name="x"; filename="y"', JPEG, *["X: y"] * 99)),
        "is not the",
    ),
    "a long header": (
        CONTENT_TYPE,
        joined(part('name="x"; filename="y"', JPEG, "X: " + "y" * 9999)),
        "is not the",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_another_form_is_refused_with_what_to_do(proxy: Proxy, case: str) -> None:
    content_type, body, reason = REFUSED[case]

    response = proxy.call(body, content_type=content_type)

    assert (response.status, response.body["error"]["code"]) == (400, "invalid_request")
    assert reason in response.body["error"]["message"]


def test_the_parser_logs_nothing_of_a_malformed_body(caplog: pytest.LogCaptureFixture) -> None:
    for body in (JPEG, f"--{BOUNDARY}\r\n\0: x\r\n\r\n".encode()):
        with pytest.raises(InvalidRequestError):
            parse_form(CONTENT_TYPE, body)

    assert caplog.records == []


@pytest.mark.parametrize("body", [form(b"")[0], b""])
def test_a_form_whose_file_was_not_chosen_has_no_image(proxy: Proxy, body: bytes) -> None:
    response = proxy.call(body, content_type=CONTENT_TYPE)

    assert (response.status, response.body["error"]["code"]) == (400, "empty_body")


@given(
    st.sampled_from((CONTENT_TYPE, "multipart/form-data; boundary=-", "multipart/form-data"))
    | st.text(max_size=60).map("multipart/form-data; boundary={}".format),
    st.lists(
        st.sampled_from(
            (
                f"--{BOUNDARY}".encode(),
                b"--",
                b"\r\n",
                b"\r",
                b"\n",
                b"Content-Disposition: form-data; ",
                b'name="top_k"',
                b'; filename="x"',
                b":",
                b";",
                b'"',
            )
        )
        | st.binary(max_size=10)
    ).map(b"".join),
)
@example("multipart/form-data; boundary=\ud800", b"x")
@example('multipart/form-data; boundary="\u20ac"', b"x")
def test_any_body_is_a_form_or_refused(content_type: str, body: bytes) -> None:
    with contextlib.suppress(InvalidRequestError):
        parse_form(content_type, body)


DISPOSITION = b"Content-Disposition: form-data"
# What fills 4 MiB, and where: before the first part, in its file, its headers, or after the form.
HOSTILE: dict[str, tuple[str, bytes]] = {
    "line breaks before": ("", b"\r\n"),
    "lines of a hyphen": ("", b"\r-\n"),
    "line breaks in the file": ("file", b"\r\n"),
    "carriage returns": ("file", b"\r"),
    "no boundaries": ("file", b"\r\n--"),
    "nearly boundaries": ("file", b"\r\n--BOUNDARY"),
    "nearly last boundaries": ("file", b"\r\n--BOUNDARY-"),
    "boundaries and a carriage return": ("file", b"\r\n--BOUNDARY\r"),
    "boundaries and a space": ("file", b"\r\n--BOUNDARY "),
    "spaces after a boundary": ("file\r\n--BOUNDARY", b" "),
    "tiny parts": ("", b"--BOUNDARY\r\n\r\n\r\n"),
    "headers": ("part", b"a: b\r\n"),
    "a long header": ("part a: ", b"b"),
    "semicolons": ("disposition", b";"),
    "quotation marks": ("disposition", b';"'),
    "an epilogue of line breaks": ("end", b"\r\n"),
    "an epilogue of hyphens": ("end", b"--"),
}


def _hostile(case: str, boundary: bytes) -> bytes:
    place, filling = HOSTILE[case]
    part_start = b"--" + boundary + b"\r\n"
    whole_file = part_start + DISPOSITION + b'; name="x"; filename="y"\r\n\r\n'
    start = (
        place.replace("file", whole_file.decode())
        .replace("part ", part_start.decode())
        .replace("part", part_start.decode())
        .replace("disposition", (part_start + DISPOSITION).decode())
        .replace("end", (whole_file + b"\r\n--" + boundary + b"--\r\n").decode())
        .encode()
    )
    body = start.replace(b"BOUNDARY", boundary)
    filling = filling.replace(b"BOUNDARY", boundary)
    return (body + filling * (FOUR_MIB // len(filling)))[:FOUR_MIB]


@pytest.mark.parametrize("boundary", [BOUNDARY, "x", "-", "-" * 250])
@pytest.mark.parametrize("case", HOSTILE)
def test_no_4_mib_take_long(case: str, boundary: str) -> None:
    body = _hostile(case, boundary.encode())
    assert len(body) > FOUR_MIB - 300

    def work() -> None:
        with contextlib.suppress(InvalidRequestError):
            parse_form(f"multipart/form-data; boundary={boundary}", body)

    check_cpu_time(work, max_seconds=1)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data" + ";" * 4_000_000,
        "multipart/form-data" + ';"' * 2_000_000,
        "multipart/form-data; boundary=" + "x" * 4_000_000,
    ],
)
def test_no_content_type_takes_long(content_type: str) -> None:
    def work() -> None:
        with pytest.raises(InvalidRequestError):
            parse_form(content_type, joined(SECOND))

    check_cpu_time(work, max_seconds=0.5)


def test_only_a_form_waits_for_its_parser() -> None:
    program = f"""
import sys
sys.path.insert(0, {str(SOURCES)!r})
import classifier_proxy.event_handler
assert not {{"python_multipart", "classifier_proxy.forms"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
