"""Clients in a closed loop: each sends its next request when it has the response to its last.

Client and server share the cores, so that CPU time of the clients is lost to the server: all of
them are one thread, and read no more of a response than they follow.
"""

import random
import select
import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Final, NamedTuple

from bench.connection import RECEIVE_BYTES, TIMEOUT_SECONDS, Response, ResponseReader

# Refused, reset, or no response within the timeout.
NO_RESPONSE: Final = 0
_MIN_RETRY_SECONDS: Final = 0.1
# Between looks at what no event tells: the end of pauses, timeouts, the end of the run.
_LOOK_SECONDS: Final = 0.02


class Exchange(NamedTuple):
    """A request and its response: moments of `time.perf_counter`, and the status."""

    started: float
    ended: float
    status: int


class _Client:
    """One client: its connection, and its exchange."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.stream: socket.socket | None = None
        self.reader = ResponseReader()
        self.unsent = memoryview(b"")
        self.started = 0.0
        # Until when it pauses; None: its request is in flight.
        self.paused_until: float | None = 0.0


class Clients(threading.Thread):
    """Clients of one server.

    Args:
        port: of a server on 127.0.0.1.
        request: a whole HTTP request.
        count: of clients.
    """

    def __init__(self, port: int, request: bytes, count: int) -> None:
        super().__init__(daemon=True)
        self._address = ("127.0.0.1", port)
        self._request = memoryview(request)
        self._clients = [_Client() for _ in range(count)]
        self._stopped = threading.Event()
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, _Client] = {}

    @property
    def have_responses(self) -> bool:
        """Whether each client has ended an exchange."""
        return all(client.exchanges for client in self._clients)

    def stop(self) -> list[Exchange]:
        """Wait for the end of every request in flight; return the exchanges of all clients."""
        self._stopped.set()
        self.join()
        return [exchange for client in self._clients for exchange in client.exchanges]

    def run(self) -> None:
        """Exchange until `stop`."""
        looked = 0.0
        while not self._stopped.is_set() or any(c.paused_until is None for c in self._clients):
            if (now := time.perf_counter()) - looked > _LOOK_SECONDS:
                looked = now
                self._look(now)
            for descriptor, _ in self._epoll.poll(_LOOK_SECONDS):
                self._continue(self._by_descriptor[descriptor])
        for client in self._clients:
            self._close(client)
        self._epoll.close()

    def _look(self, now: float) -> None:
        for client in self._clients:
            if client.paused_until is None:
                if now - client.started > TIMEOUT_SECONDS:
                    self._fail(client)
            elif client.paused_until <= now:
                self._begin(client)

    def _begin(self, client: _Client) -> None:
        """Send its next request, unless the run ends."""
        client.paused_until = 0.0
        if self._stopped.is_set():
            return
        client.paused_until, client.started = None, time.perf_counter()
        client.unsent = self._request
        if client.stream is None:
            client.reader = ResponseReader()
            client.stream = self._connect(client)
            return
        try:
            if not self._send(client, client.stream):
                self._epoll.modify(client.stream, select.EPOLLOUT)
        except OSError:
            self._fail(client)

    def _connect(self, client: _Client) -> socket.socket:
        stream = socket.socket()
        stream.setblocking(False)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.connect_ex(self._address)
        self._by_descriptor[stream.fileno()] = client
        # There is an event when it is connected or refused.
        self._epoll.register(stream, select.EPOLLOUT)
        return stream

    def _continue(self, client: _Client) -> None:
        """Do what an event of its connection allows."""
        stream = client.stream
        if stream is None or client.paused_until is not None:
            self._close(client)  # by the server, between two exchanges
            return
        try:
            if not client.unsent:
                response = client.reader.feed(stream.recv(RECEIVE_BYTES))
                if response is not None:
                    self._end(client, response)
            elif self._send(client, stream):
                self._epoll.modify(stream, select.EPOLLIN)
        except (OSError, ValueError):
            self._fail(client)

    def _send(self, client: _Client, stream: socket.socket) -> bool:
        """Send what the connection takes now; return whether that is the whole rest."""
        with suppress(BlockingIOError):
            client.unsent = client.unsent[stream.send(client.unsent) :]
        return not client.unsent

    def _end(self, client: _Client, response: Response) -> None:
        ended, pause_seconds = time.perf_counter(), _pause_seconds(response)
        client.exchanges.append(Exchange(client.started, ended, response.status))
        if response.closes:
            self._close(client)
        if pause_seconds:
            client.paused_until = ended + pause_seconds
        else:
            self._begin(client)

    def _fail(self, client: _Client) -> None:
        ended = time.perf_counter()
        client.exchanges.append(Exchange(client.started, ended, NO_RESPONSE))
        self._close(client)
        client.paused_until = ended + _MIN_RETRY_SECONDS

    def _close(self, client: _Client) -> None:
        """Close its connection; its next request opens another."""
        if client.stream is not None:
            del self._by_descriptor[client.stream.fileno()]
            client.stream.close()
            client.stream = None


def _pause_seconds(response: Response) -> float:
    if response.status != HTTPStatus.SERVICE_UNAVAILABLE:
        return 0.0
    retry_after = float(response.headers.get("retry-after", _MIN_RETRY_SECONDS))
    # Otherwise all refused clients would come back at the same moment.
    return retry_after * random.uniform(1.0, 1.5)  # noqa: S311 - spreads load, keeps no secret
