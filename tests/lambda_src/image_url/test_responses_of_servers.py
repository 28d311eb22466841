import pytest

from tests.lambda_src.conftest import JPEG
from tests.lambda_src.image_url.conftest import HOST, UrlProxy
from tests.lambda_src.image_url.image_server import (
    Behaviour,
    ImageServer,
    chunked,
    respond,
    say,
)
from tests.lambda_src.stand_in import SageMakerRuntime

MAX_BYTES = 4 * 1024 * 1024
OK_WITHOUT_LENGTH = b"HTTP/1.1 200 OK\r\n\r\n"
IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TOO_LARGE = JPEG.ljust(MAX_BYTES + 1, b"\0")
MEGABYTE = b"\0" * 1_000_000
RESPONSES: list[tuple[str, Behaviour, int, str, str]] = [
    ("one byte too many", respond(TOO_LARGE), 413, "payload_too_large", ""),
    ("no length and too many", say(OK_WITHOUT_LENGTH, TOO_LARGE), 413, "payload_too_large", ""),
    ("chunks of too many", say(IN_CHUNKS, chunked(TOO_LARGE)), 413, "payload_too_large", ""),
    ("a chunk of -1", say(IN_CHUNKS, b"-1\r\n", MEGABYTE * 9), 413, "payload_too_large", ""),
    ("a chunk of -2", say(IN_CHUNKS, b"-2\r\n", JPEG), 422, "url_unreachable", "HTTP"),
    ("a chunk of nonsense", say(IN_CHUNKS, b"zz\r\n", JPEG), 422, "url_unreachable", "HTTP"),
    (
        "single bytes",
        say(IN_CHUNKS, chunked(*[b"\0"] * 100_000), b"0\r\n\r\n"),
        422,
        "url_failed",
        "in too many parts",
    ),
    ("chunks without end", say(IN_CHUNKS, chunked(JPEG)), 422, "url_unreachable", "HTTP"),
    (
        "a length of too many",
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
        413,
        "payload_too_large",
        "",
    ),
    (
        "half an image",
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", JPEG),
        422,
        "url_unreachable",
        "HTTP",
    ),
    ("nothing", say(), 422, "url_unreachable", "HTTP"),
    ("garbage", say(b"\xff\x00garbage\r\n\r\n" * 9), 422, "url_unreachable", "HTTP"),
    ("a bare image", say(JPEG * 999), 422, "url_unreachable", "HTTP"),
    ("status of letters", say(b"HTTP/1.1 OK OK\r\n\r\n"), 422, "url_unreachable", "HTTP"),
    (
        "a huge header",
        say(b"HTTP/1.1 200 OK\r\nX-Padding: ", b"x" * 70_000, b"\r\n\r\n", JPEG),
        422,
        "url_unreachable",
        "HTTP",
    ),
    (
        "many headers",
        say(b"HTTP/1.1 200 OK\r\n", b"X-Padding: x\r\n" * 200, b"\r\n", JPEG),
        422,
        "url_unreachable",
        "HTTP",
    ),
    ("no bytes", respond(b""), 400, "empty_body", "nothing at the address"),
    ("no image", respond(b"<html></html>"), 415, "unsupported_image", ""),
    (
        "packed, in spite of the request",
        respond(b"\x1f\x8b\x08" + bytes(20), "200 OK", "Content-Encoding: gzip"),
        415,
        "unsupported_image",
        "",
    ),
]
RESPONSES += [
    (
        f"a redirect by {status}",
        respond(JPEG, f"{status} Moved", f"Location: https://{HOST}/2.jpg"),
        422,
        "url_failed",
        f"responded with {status}, a redirect, which is not followed",
    )
    for status in (301, 302, 303, 307, 308)
]
RESPONSES += [
    (
        str(status),
        respond(JPEG, f"{status} X"),
        422,
        "url_failed",
        f"responded with {status}; expected",
    )
    for status in (201, 206, 401, 404, 429, 500, 503)
]


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in RESPONSES],
)
def test_any_other_response_is_refused_with_the_reason(
    url_proxy: UrlProxy,
    server: ImageServer,
    runtime: SageMakerRuntime,
    behaviour: Behaviour,
    status: int,
    code: str,
    words: str,
) -> None:
    server.behaviour = behaviour

    result = url_proxy.fetch(server)

    assert (result.status, result.body["error"]["code"]) == (status, code)
    assert words in result.body["error"]["message"]
    assert server.connections == 1
    assert runtime.requests == []
