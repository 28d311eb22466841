"""What a run measured, and its file: the document can be written again without another run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import BenchError

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class CellSample:
    """One server's turn in one cell of one round.

    Attributes:
        server: its name.
        model: the network's architecture.
        picture: its size, `<width>x<height>`.
        client_count: requests in flight.
        round: from 0.
        throughput: answers with status 200 a second.
        latencies_ms: of those answers.
        cpu_ms: of the server's processes, an answer.
        client_cpu_ms: of the load generator, an exchange.
        counts: exchanges by status; 0 is no answer.
    """

    server: str
    model: str
    picture: str
    client_count: int
    round: int
    throughput: float
    latencies_ms: list[float]
    cpu_ms: float
    client_cpu_ms: float
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class StartSample:
    """One start of a server; memory (bytes) was read after load, where no other server ran."""

    server: str
    model: str
    first_answer_seconds: float
    memory_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class EngineSample:
    """OpenVINO alone: images a second and CPU milliseconds an image; latency on all cores."""

    precision: str
    model: str
    round: int
    throughput: float
    cpu_ms: float
    p50_ms: float


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A server that could not be measured, and why."""

    server: str
    model: str
    reason: str


@dataclass(kw_only=True)
class Results:
    """Everything that the document says.

    Attributes:
        machine: what it ran on, by name.
        options: of the run.
        versions: of each server, by name.
        settings: environment of each server, by name.
    """

    machine: dict[str, str]
    options: dict[str, Any]
    versions: dict[str, str]
    settings: dict[str, dict[str, str]]
    cells: list[CellSample] = field(default_factory=list)
    starts: list[StartSample] = field(default_factory=list)
    engine: list[EngineSample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"format": _FORMAT, **asdict(self)}) + "\n")


def read_results(path: Path) -> Results:
    """Read what `Results.write` wrote.

    Raises:
        BenchError: no such file, or another format.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise BenchError(f"{path} is missing: run the benchmark once without --render") from None
    except ValueError:
        raise BenchError(f"{path} is damaged: run the benchmark again") from None
    if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
        raise BenchError(f"{path} is of another version of the benchmark: run it again")
    lists = {
        "cells": CellSample,
        "starts": StartSample,
        "engine": EngineSample,
        "failures": Failure,
    }
    for name, kind in lists.items():
        content[name] = [kind(**item) for item in content[name]]
    return Results(**content)
