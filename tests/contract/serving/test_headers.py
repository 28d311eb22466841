"""Request lines and headers: bounded, because a connection keeps them until they end."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from .server import Server

START = b"GET /ping HTTP/1.1\r\nHost: a\r\n"
LONG_REQUESTS = {
    "one header": START + b"X: " + b"a" * 1_000_000,
    "many headers": START + b"X-Y: z\r\n" * 200_000,
    "request line": b"GET /ping?" + b"a" * 1_000_000,
}


def _exchange(server: Server, *parts: bytes) -> bytes:
    """Send parts of a request and return all that the server sends until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65_536):
                received += piece
        return received


@pytest.mark.parametrize("request_head", LONG_REQUESTS.values(), ids=LONG_REQUESTS)
def test_headers_of_a_megabyte_are_refused(server: Server, request_head: bytes) -> None:
    # What was sent is not read to its end, so that the connection may be reset before the response.
    response = _exchange(server, request_head)
    assert response == b"" or response.startswith(b"HTTP/1.1 431 ")
    assert server.invoke(b"").status == 400, "it still responds"


def test_a_response_says_that_the_headers_are_too_large(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(START)
        for _ in range(7):
            time.sleep(0.05)
            connection.sendall(b"X-Y: " + b"z" * 9_990 + b"\r\n")
        assert connection.recv(65_536).startswith(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        )


def test_headers_below_the_limit_are_read_however_they_arrive(server: Server) -> None:
    long_header = b"X-Y: " + b"z" * 60_000 + b"\r\nConnection: close\r\n\r\n"
    pieces = [long_header[start : start + 7_000] for start in range(0, len(long_header), 7_000)]
    assert _exchange(server, START, *pieces).startswith(b"HTTP/1.1 200 ")


def test_requests_of_one_connection_are_counted_by_themselves(server: Server) -> None:
    each = START + b"X-Y: " + b"z" * 20_000 + b"\r\n\r\n"
    responses = _exchange(server, *[each] * 5, START + b"Connection: close\r\n\r\n")
    assert responses.count(b"HTTP/1.1 200 ") == 6


def test_headers_that_do_not_end_are_refused_after_a_time(server: Server) -> None:
    assert _exchange(server, START).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.parametrize("body_with_head", [True, False])
def test_a_request_to_upgrade_the_connection_is_served_without(
    server: Server, images: Path, body_with_head: bool
) -> None:
    """As Java's HttpClient sends it; httptools drops the body of such a request."""
    image = (images / "red.png").read_bytes()
    head = (
        b"POST /invocations HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\nContent-Type: image/png\r\n"
        b"Content-Length: %d\r\n\r\n" % len(image)
    )
    parts = [head + image] if body_with_head else [head, image[:20], image[20:]]
    # The connection stays usable, and is closed by the second request.
    response = _exchange(
        server, *parts, START + b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
    )
    assert response.count(b"HTTP/1.1 200 ") == 2
    assert b'{"predictions":' in response


def test_any_number_of_requests_to_upgrade_may_arrive_at_once(server: Server) -> None:
    upgrade = START + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    response = _exchange(server, upgrade * 1500 + START + b"Connection: close\r\n\r\n")
    assert response.count(b"HTTP/1.1 200 ") == 1501


def test_a_client_that_waits_for_permission_to_send_a_body_gets_it(
    server: Server, images: Path
) -> None:
    image = (images / "red.png").read_bytes()
    head = (
        b"POST /invocations HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
        b"Content-Length: %d\r\n\r\n" % len(image)
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(image)
        response = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    assert response.count(b"HTTP/1.1 ") == 1
    assert b'\r\n\r\n{"predictions":' in response


def test_responses_to_requests_that_arrive_together_come_in_their_order(
    server: Server, images: Path
) -> None:
    request = b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
    good = (images / "red.png").read_bytes()
    bodies = [good, b"", good, b"no image"]
    requests = b"".join(request % (len(body), body) for body in bodies)
    response = _exchange(server, requests, START + b"Connection: close\r\n\r\n")
    statuses = [part[:3] for part in response.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"400", b"200", b"415", b"200"]


def test_a_tunnel_is_refused(server: Server) -> None:
    response = _exchange(server, b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 4")


CHUNKED = (
    b"POST /invocations HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: image/png\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def test_a_body_in_very_many_chunks_is_refused(server: Server) -> None:
    # Each of a byte; most of them arrive after the response.
    response = _exchange(server, CHUNKED, b"1\r\nx\r\n" * 500_000, b"0\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"message":"The body has more than 65536 chunks; send larger chunks' in response
    assert response.count(b"HTTP/1.1 ") == 1
    assert server.invoke(b"").status == 400, "it still responds"
    assert server.log_entries()[-2]["outcome"] == "client_gone", "it does not wait for the rest"


def test_a_body_in_small_chunks_is_read(server: Server, images: Path) -> None:
    image = (images / "red.png").read_bytes()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in image)
    assert _exchange(server, CHUNKED, chunks, b"0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
