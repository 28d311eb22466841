"""A closed loop of clients: each sends its next request when it has the answer to its last.

Threads with plain sockets: on the two cores that client and server share, a client's own
processor time is the server's loss.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.connection import Connection

_LONGEST_WARM_UP_SECONDS: Final = 20.0
_OVERLOADED: Final = 503
_SHORTEST_RETRY_SECONDS: Final = 0.1
# No answer: refused, reset, or none within the timeout.
NO_ANSWER: Final = 0


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, in seconds of `time.perf_counter`."""

    started: float
    ended: float
    status: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """What was measured between two moments.

    Attributes:
        seconds: between them.
        exchanges: those that ended between them.
        client_cpu_seconds: of this process.
        server_cpu_seconds: of the server's processes.
    """

    seconds: float
    exchanges: tuple[Exchange, ...]
    client_cpu_seconds: float
    server_cpu_seconds: float


def drive(
    port: int, request: bytes, *, client_count: int, seconds: float, read_cpu: Callable[[], float]
) -> Window:
    """Drive the server on `port` with clients until each has an answer, then for `seconds` more.

    Args:
        port: of a server on 127.0.0.1.
        request: a whole HTTP request.
        client_count: requests in flight.
        seconds: to measure.
        read_cpu: returns the server's processor time so far, in seconds.
    """
    clients = [_Client(port, request) for _ in range(client_count)]
    try:
        for client in clients:
            client.start()
        _warm_up(clients, seconds)
        # Reading the servers' costs this process a few milliseconds, which are not a client's.
        server_cpu = read_cpu()
        started, client_cpu = time.perf_counter(), time.process_time()
        time.sleep(seconds)
        ended, client_cpu = time.perf_counter(), time.process_time() - client_cpu
        server_cpu = read_cpu() - server_cpu
    finally:
        # To the end of what each has asked: the next server gets an idle machine.
        for client in clients:
            client.stop()
        for client in clients:
            client.join()
    exchanges = [e for client in clients for e in client.exchanges if started < e.ended <= ended]
    return Window(
        seconds=ended - started,
        exchanges=tuple(exchanges),
        client_cpu_seconds=client_cpu,
        server_cpu_seconds=server_cpu,
    )


def _warm_up(clients: list[_Client], seconds: float) -> None:
    began = time.perf_counter()
    time.sleep(min(1.0, seconds / 2))
    while not all(client.exchanges for client in clients):
        if time.perf_counter() - began > _LONGEST_WARM_UP_SECONDS:
            return
        time.sleep(0.05)


class _Client(threading.Thread):
    def __init__(self, port: int, request: bytes) -> None:
        super().__init__(daemon=True)
        self.exchanges: list[Exchange] = []
        self._connection = Connection(port)
        self._request = request
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            pause_seconds = self._ask()
            if pause_seconds:
                self._stopped.wait(pause_seconds)
        self._connection.close()

    def _ask(self) -> float:
        """Return how long to wait before the next request, in seconds."""
        started = time.perf_counter()
        try:
            reply = self._connection.ask(self._request)
        except (OSError, ValueError):
            self.exchanges.append(Exchange(started, time.perf_counter(), NO_ANSWER))
            return _SHORTEST_RETRY_SECONDS
        self.exchanges.append(Exchange(started, time.perf_counter(), reply.status))
        if reply.status != _OVERLOADED:
            return 0.0
        stated = float(reply.headers.get("retry-after", _SHORTEST_RETRY_SECONDS))
        # All refused clients would come back at the same moment.
        return stated * random.uniform(1.0, 1.5)  # noqa: S311 - spreads load, keeps no secret
