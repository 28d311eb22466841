"""The load of a benchmark: clients for a while, and what was measured meanwhile."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from bench.clients import Clients, Exchange

_MAX_WARM_UP_SECONDS: Final = 20.0


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
    clients = Clients(port, request, client_count)
    clients.start()
    exchanges: list[Exchange] = []
    try:
        _warm_up(clients, seconds)
        # Reading the server's takes this process a few milliseconds, which are not a client's.
        server_cpu = read_cpu()
        started, client_cpu = time.perf_counter(), time.process_time()
        time.sleep(seconds)
        ended, client_cpu = time.perf_counter(), time.process_time() - client_cpu
        server_cpu = read_cpu() - server_cpu
    finally:
        # To the end of every request in flight, so that the next server finds an idle machine.
        exchanges = clients.stop()
    return Window(
        seconds=ended - started,
        exchanges=[e for e in exchanges if started < e.ended <= ended],
        client_cpu_seconds=client_cpu,
        server_cpu_seconds=server_cpu,
    )


def _warm_up(clients: Clients, seconds: float) -> None:
    deadline = time.perf_counter() + _MAX_WARM_UP_SECONDS
    time.sleep(min(1.0, seconds / 2))
    while not clients.have_responses and time.perf_counter() < deadline:
        time.sleep(0.05)
