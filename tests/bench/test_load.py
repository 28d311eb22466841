import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import clients
from bench.clients import NO_RESPONSE
from bench.connection import Connection
from bench.load import drive
from bench.servers import PEERS, WHIPPET_FP32

IMAGE = b"\xff\xd8 an image"


class Responding(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: list[bytes]
    busy: threading.Semaphore

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n')
        elif self.path == "/ending":
            # A part of the response.
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            self.close_connection = True
        elif self.path == "/invocations" and not self.busy.acquire(blocking=False):
            self._respond(503, b"", ("Retry-After", "0.2"))
        else:
            time.sleep(0.02)
            closing = ("Connection", "close") if self.path == "/closing" else ("X-None", "")
            self._respond(200, b"{}", closing)
            if self.path == "/invocations":
                self.busy.release()

    def _respond(self, status: int, body: bytes, header: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the test reads the responses."""


@contextmanager
def serving(places: int = 1) -> Iterator[tuple[int, list[bytes]]]:
    bodies: list[bytes] = []
    handler = type(
        "Handler", (Responding,), {"bodies": bodies, "busy": threading.Semaphore(places)}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_window_has_what_ended_in_it_and_nothing_else() -> None:
    with serving() as (port, _):
        readings = iter([3.0, 4.5])
        window = drive(
            port, WHIPPET_FP32.request(IMAGE), client_count=1, seconds=0.5,
            read_cpu=lambda: next(readings),
        )  # fmt: skip
    assert {exchange.status for exchange in window.exchanges} == {200}
    assert 0.5 <= window.seconds < 1
    ends = [exchange.ended for exchange in window.exchanges]
    assert len(ends) >= 5
    # The warm-up's half as many would be further away.
    assert max(ends) - min(ends) <= window.seconds
    assert all(0.02 <= e.ended - e.started < 0.5 for e in window.exchanges)
    assert window.server_cpu_seconds == 1.5
    assert 0 < window.client_cpu_seconds < window.seconds


def test_a_refused_client_waits_as_retry_after_says() -> None:
    with serving(places=1) as (port, _):
        window = drive(
            port, WHIPPET_FP32.request(IMAGE), client_count=4, seconds=1.0, read_cpu=lambda: 0.0
        )
    statuses = [exchange.status for exchange in window.exchanges]
    assert set(statuses) == {200, 503}
    # Three clients at most, each after 0.2 s at least.
    assert statuses.count(503) <= 18


def test_a_server_that_is_not_there_gives_no_response() -> None:
    with serving() as (port, _):
        pass
    window = drive(
        port, WHIPPET_FP32.request(IMAGE), client_count=1, seconds=0.5, read_cpu=lambda: 0.0
    )
    assert {exchange.status for exchange in window.exchanges} == {NO_RESPONSE}


def test_a_response_that_ends_early_is_none() -> None:
    with serving() as (port, _):
        request = b"POST /ending HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        window = drive(port, request, client_count=2, seconds=0.5, read_cpu=lambda: 0.0)
    assert {exchange.status for exchange in window.exchanges} == {NO_RESPONSE}
    # Each waits a tenth of a second before it tries again.
    assert 2 <= len(window.exchanges) <= 12


@pytest.mark.parametrize("path", ["/chunked", "/closing"])
def test_clients_read_responses_of_each_framing(path: str) -> None:
    request = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()
    with serving() as (port, _):
        window = drive(port, request, client_count=3, seconds=0.5, read_cpu=lambda: 0.0)
    assert {exchange.status for exchange in window.exchanges} == {200}
    assert len(window.exchanges) >= 9


def test_an_image_larger_than_the_buffers_of_a_connection_arrives_whole() -> None:
    image = bytes(range(256)) * 65536
    with serving(places=4) as (port, bodies):
        request = WHIPPET_FP32.request(image)
        window = drive(port, request, client_count=4, seconds=0.5, read_cpu=lambda: 0.0)
    assert {exchange.status for exchange in window.exchanges} == {200}
    assert set(bodies) == {image}


def test_a_server_that_does_not_respond_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        window = drive(
            listener.getsockname()[1], b"GET / HTTP/1.1\r\n\r\n", client_count=2, seconds=1.0,
            read_cpu=lambda: 0.0,
        )  # fmt: skip
    assert {exchange.status for exchange in window.exchanges} == {NO_RESPONSE}
    assert all(0.2 <= e.ended - e.started < 0.5 for e in window.exchanges)


@pytest.mark.parametrize(("path", "body"), [("/chunked", b'{"a": 1}'), ("/closing", b"{}")])
def test_responses_of_each_framing_are_read(path: str, body: bytes) -> None:
    request = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()
    with serving() as (port, _):
        connection = Connection(port)
        responses = [connection.send(request) for _ in range(2)]
        connection.close()
    assert [(response.status, response.body) for response in responses] == [(200, body)] * 2


def test_a_peer_gets_the_image_in_the_form_that_it_reads() -> None:
    for server in PEERS:
        head, _, body = server.request(IMAGE).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert body.count(IMAGE) == 1
        assert (body == IMAGE) == (server.form_field is None)
