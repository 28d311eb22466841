"""A server's turn in a cell: clients drive it, and what they saw becomes a sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from bench.load import Window, drive
from bench.results import CellSample
from bench.running import RunningServer

# Of these the targets speak: they get the whole time, the others half of it.
_FULL_TIME_CLIENTS: Final = (1, 16)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is asked of every server in turn.

    Attributes:
        model: architecture of the network.
        picture: its size, `<width>x<height>`.
        data: the picture, JPEG.
        client_count: requests in flight.
        round: from 0.
        seconds: of measuring where the targets speak of this number of clients.
    """

    model: str
    picture: str
    data: bytes
    client_count: int
    round: int
    seconds: float


def take_turn(server: RunningServer, cell: Cell) -> CellSample:
    """Drive a server that is not paused."""
    share = 1.0 if cell.client_count in _FULL_TIME_CLIENTS else 0.5
    window = drive(
        server.port,
        server.server.request(cell.data),
        client_count=cell.client_count,
        seconds=cell.seconds * share,
        read_cpu=server.processes.cpu_seconds,
    )
    return _sample(window, server.server.name, cell)


def _sample(window: Window, server: str, cell: Cell) -> CellSample:
    answers = [e for e in window.exchanges if e.status == HTTPStatus.OK]
    counts = Counter(str(exchange.status) for exchange in window.exchanges)
    return CellSample(
        server=server,
        model=cell.model,
        picture=cell.picture,
        client_count=cell.client_count,
        round=cell.round,
        throughput=len(answers) / window.seconds,
        latencies_ms=[round((e.ended - e.started) * 1000, 2) for e in answers],
        cpu_ms=1000 * window.server_cpu_seconds / max(1, len(answers)),
        client_cpu_ms=1000 * window.client_cpu_seconds / max(1, len(window.exchanges)),
        counts=dict(counts),
    )
