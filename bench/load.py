"""Clients in a closed loop: each sends its next request when it has the response to its last."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from bench.connection import Connection, Response

_MAX_WARM_UP_SECONDS: Final = 20.0
_MIN_RETRY_SECONDS: Final = 0.1
# Refused, reset, or no response within the timeout.
NO_RESPONSE: Final = 0


@dataclass(frozen=True)
class Exchange:
    """A request and its response: moments of `time.perf_counter`, and the status."""

    started: float
    ended: float
    status: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """What was measured in a span of time.

    Attributes:
        seconds: length of the span.
        exchanges: those that ended in it.
        client_cpu_seconds: CPU time of this process.
        server_cpu_seconds: CPU time of the server's processes.
    """

    seconds: float
    exchanges: Sequence[Exchange]
    client_cpu_seconds: float
    server_cpu_seconds: float

    @property
    def throughput(self) -> float:
        """Return responses with status 200 per second."""
        return len(self.latencies_ms(HTTPStatus.OK)) / self.seconds

    def latencies_ms(self, status: int) -> list[float]:
        """Return the milliseconds of each exchange with a status."""
        return [(e.ended - e.started) * 1000 for e in self.exchanges if e.status == status]


class _Client(threading.Thread):
    def __init__(self, port: int, request: bytes) -> None:
        super().__init__(daemon=True)
        self.exchanges: list[Exchange] = []
        self.stopped = threading.Event()
        self._connection = Connection(port)
        self._request = request

    def run(self) -> None:
        while not self.stopped.is_set():
            started, status, pause_seconds = time.perf_counter(), NO_RESPONSE, _MIN_RETRY_SECONDS
            with suppress(OSError, ValueError):
                response = self._connection.send(self._request)
                status, pause_seconds = response.status, _pause_seconds(response)
            self.exchanges.append(Exchange(started, time.perf_counter(), status))
            if pause_seconds:
                self.stopped.wait(pause_seconds)
        self._connection.close()


def _pause_seconds(response: Response) -> float:
    if response.status != HTTPStatus.SERVICE_UNAVAILABLE:
        return 0.0
    retry_after = float(response.headers.get("retry-after", _MIN_RETRY_SECONDS))
    # Otherwise all refused clients would come back at the same moment.
    return retry_after * random.uniform(1.0, 1.5)  # noqa: S311 - spreads load, keeps no secret


def drive(
    port: int, request: bytes, *, client_count: int, seconds: float, read_cpu: Callable[[], float]
) -> Window:
    """Start clients, wait until each has a response, then measure for `seconds`.

    Args:
        port: of a server on 127.0.0.1.
        request: a whole HTTP request.
        client_count: requests in flight.
        seconds: to measure.
        read_cpu: returns the CPU time of the server so far, in seconds.
    """
    clients = [_Client(port, request) for _ in range(client_count)]
    try:
        for client in clients:
            client.start()
        _warm_up(clients, seconds)
        # Reading the server's takes this process a few milliseconds, which are not a client's.
        server_cpu = read_cpu()
        started, client_cpu = time.perf_counter(), time.process_time()
        time.sleep(seconds)
        ended, client_cpu = time.perf_counter(), time.process_time() - client_cpu
        server_cpu = read_cpu() - server_cpu
    finally:
        # To the end of every request in flight, so that the next server finds an idle machine.
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join()
    return Window(
        seconds=ended - started,
        exchanges=[e for client in clients for e in client.exchanges if started < e.ended <= ended],
        client_cpu_seconds=client_cpu,
        server_cpu_seconds=server_cpu,
    )


def _warm_up(clients: list[_Client], seconds: float) -> None:
    deadline = time.perf_counter() + _MAX_WARM_UP_SECONDS
    time.sleep(min(1.0, seconds / 2))
    while not all(client.exchanges for client in clients) and time.perf_counter() < deadline:
        time.sleep(0.05)
