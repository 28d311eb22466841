import socket
import threading
import time

import pytest

from classifier_proxy.deadlines import RESPONSE_RESERVE_SECONDS
from classifier_proxy.endpoint.invoke import CONNECT_TIMEOUT_SECONDS
from classifier_proxy.image_url.fetch import FETCH_SECONDS
from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.events import LambdaContext
from tests.lambda_src.image_url.conftest import UrlProxy
from tests.lambda_src.image_url.image_server import ImageServer, chunked, respond
from tests.lambda_src.stand_in import SageMakerRuntime

FUNCTION_TIMEOUT_SECONDS = 27
DEADLINE_SECONDS = 24
# With the maximum of the stage's setting.
MAX_INVOKE_SECONDS = CONNECT_TIMEOUT_SECONDS + 18
OK_WITHOUT_LENGTH = b"HTTP/1.1 200 OK\r\n\r\n"
IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW_HEAD = b"HTTP/1.1 200 OK\r\nX-Padding: "
DRIPS = {
    "no response": (b"", b"", 0.0),
    "a slow head": (SLOW_HEAD, b"x", 0.05),
    "slow headers": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n", 0.05),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
    "a slow body": (OK_WITHOUT_LENGTH + JPEG, b"x", 0.05),
    "a slow chunk": (IN_CHUNKS + b"ffff\r\n" + JPEG, b"x", 0.05),
    "slow chunks": (IN_CHUNKS + chunked(JPEG), b"1\r\nx\r\n", 0.05),
    "slow ends": (IN_CHUNKS + b"0\r\n", b"X: x\r\n", 0.05),
}


class CountingDown(LambdaContext):
    """Lambda's context while its clock runs."""

    def __init__(self, ending: float) -> None:
        super().__init__()
        self._ending = ending

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ending - time.monotonic()) * 1000)


@pytest.mark.parametrize("name", DRIPS)
def test_what_comes_too_slowly_is_given_up_in_time(
    impatient_url_proxy: UrlProxy, server: ImageServer, name: str
) -> None:
    head, part, seconds_between = DRIPS[name]
    server.behaviour = server.drip(head, part, seconds_between) if part else server.wait
    started = time.monotonic()

    result = impatient_url_proxy.fetch(server)

    assert (result.status, result.body["error"]["code"]) == (422, "url_timeout")
    assert 0.5 <= time.monotonic() - started < 1.5


def test_it_takes_no_longer_than_5_seconds_and_leaves_the_endpoint_its_time(
    url_proxy: UrlProxy, server: ImageServer
) -> None:
    server.behaviour = server.drip(OK_WITHOUT_LENGTH + JPEG, b"x", 0.5)
    started = time.monotonic()

    assert url_proxy.fetch(server).status == 422

    elapsed_seconds = time.monotonic() - started
    assert 5 <= elapsed_seconds < 6
    endpoint_seconds = MAX_INVOKE_SECONDS + RESPONSE_RESERVE_SECONDS
    assert elapsed_seconds + endpoint_seconds < FUNCTION_TIMEOUT_SECONDS


def test_a_slow_fetch_and_a_slow_endpoint_end_before_the_function_does() -> None:
    assert FETCH_SECONDS + MAX_INVOKE_SECONDS <= DEADLINE_SECONDS
    assert DEADLINE_SECONDS + RESPONSE_RESERVE_SECONDS < FUNCTION_TIMEOUT_SECONDS


def test_after_a_slow_fetch_no_invocation_starts_that_would_end_too_late(
    proxy: Proxy, url_proxy: UrlProxy, server: ImageServer, runtime: SageMakerRuntime
) -> None:
    def respond_late(connection: socket.socket) -> None:
        time.sleep(0.6)
        respond(JPEG)(connection)

    server.behaviour = respond_late
    proxy.context = CountingDown(time.monotonic() + 6.5)

    result = url_proxy.fetch(server)

    assert (result.status, result.body["error"]["code"]) == (503, "deadline_too_short")
    assert runtime.requests == []


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x03\x3f\xff"])
def test_a_handshake_that_does_not_end_is_given_up_in_time(
    impatient_url_proxy: UrlProxy, server_without_tls: ImageServer, data: bytes
) -> None:
    server_without_tls.behaviour = (
        server_without_tls.drip(data, b"\x01", 0.05) if data else server_without_tls.wait
    )
    started = time.monotonic()

    result = impatient_url_proxy.fetch(server_without_tls)

    assert (result.status, result.body["error"]["code"]) == (422, "url_timeout")
    assert time.monotonic() - started < 1.5


def test_a_look_up_that_does_not_end_is_given_up_in_time(
    impatient_url_proxy: UrlProxy, server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ending.wait(30) and [])
    started = time.monotonic()

    result = impatient_url_proxy.fetch(server)

    ending.set()
    assert (result.status, result.body["error"]["code"]) == (422, "url_timeout")
    assert time.monotonic() - started < 1.5
    assert server.connections == 0


def test_a_slow_connection_leaves_less_time_for_the_handshake(
    url_proxy: UrlProxy, server_without_tls: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url_proxy.fetch_seconds = 1.0
    server_without_tls.behaviour = server_without_tls.wait
    connect = socket.socket.connect

    def connect_slowly(connection: socket.socket, address: tuple[str, int]) -> None:
        time.sleep(0.9)
        connect(connection, address)

    monkeypatch.setattr(socket.socket, "connect", connect_slowly)
    started = time.monotonic()

    result = url_proxy.fetch(server_without_tls)

    assert (result.status, result.body["error"]["code"]) == (422, "url_timeout")
    assert time.monotonic() - started < 1.6
