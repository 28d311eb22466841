"""What a run measured, its file, and its figures: medians over the rounds, ratios of a round."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from bench.programs import BenchError
from bench.server import Kind

_FORMAT: Final = 3

Figure = Literal["throughput", "p50_ms", "cpu_ms"]


@dataclass(frozen=True, kw_only=True)
class ServerEntry:
    """A server of the run: see `bench.server.Server`.

    Attributes:
        settings: its environment.
        versions: of its packages, and of another checkout its last commit.
    """

    name: str
    title: str
    kind: Kind
    settings: dict[str, str]
    versions: str


@dataclass(frozen=True, kw_only=True)
class CellSample:
    """One server in one cell of one round.

    Attributes:
        image_size: `<width>x<height>` in pixels.
        throughput: responses with status 200 per second.
        latencies_ms: of those responses.
        cpu_ms: CPU time of the server for each of those responses.
        client_cpu_ms: CPU time of the clients for each exchange.
        counts: exchanges by status; 0 is no response.
    """

    server: str
    model: str
    image_size: str
    client_count: int
    round: int
    throughput: float
    latencies_ms: list[float]
    cpu_ms: float
    client_cpu_ms: float
    counts: dict[str, int]


@dataclass(frozen=True)
class StartSample:
    """One start of a server; memory is read after load, and only where no other server runs."""

    server: str
    model: str
    first_response_seconds: float
    memory_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class EngineSample:
    """OpenVINO alone: images per second, CPU time of an image, and latency on all cores."""

    precision: str
    model: str
    round: int
    throughput: float
    cpu_ms: float
    p50_ms: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A server in a cell over all rounds; `failed` counts missing responses too, but no 503."""

    throughput: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    refused: int
    failed: int


@dataclass(kw_only=True)
class Results:
    """Everything that the document shows.

    Attributes:
        machine: see `describe_machine`.
        options: of the run: models, image_sizes, client_counts, rounds, seconds.
        servers: in the order of the document.
        failures: why a server could not be measured, by model and name.
    """

    machine: dict[str, str]
    options: dict[str, Any]
    servers: list[ServerEntry]
    cells: list[CellSample] = field(default_factory=list)
    starts: list[StartSample] = field(default_factory=list)
    engine: list[EngineSample] = field(default_factory=list)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"format": _FORMAT, **asdict(self)}) + "\n")

    def cell(self, server: str, model: str, image_size: str, client_count: int) -> Cell | None:
        """Return a server's figures in a cell; None without any response."""
        samples = self._samples(server, model, image_size, client_count)
        latencies = [value for sample in samples for value in sample.latencies_ms]
        if not latencies:
            return None
        counts = [item for sample in samples for item in sample.counts.items()]
        return Cell(
            throughput=statistics.median(sample.throughput for sample in samples),
            p50_ms=percentile(latencies, 0.5),
            p99_ms=percentile(latencies, 0.99),
            cpu_ms=statistics.median(s.cpu_ms for s in samples if s.latencies_ms),
            refused=sum(count for status, count in counts if status == "503"),
            failed=sum(count for status, count in counts if status not in ("200", "503")),
        )

    def by_round(
        self, figure: Figure, server: str, model: str, image_size: str, client_count: int
    ) -> dict[int, float]:
        """Return a server's figure in a cell by round, without rounds that had no response."""
        return {
            sample.round: percentile(sample.latencies_ms, 0.5)
            if figure == "p50_ms"
            else float(getattr(sample, figure))
            for sample in self._samples(server, model, image_size, client_count)
            if sample.latencies_ms
        }

    def engine_by_round(self, figure: Figure, precision: str, model: str) -> dict[int, float]:
        """Return a figure of OpenVINO alone by round."""
        return {
            sample.round: float(getattr(sample, figure))
            for sample in self.engine
            if (sample.precision, sample.model) == (precision, model)
        }

    def memory_bytes(self, server: str, model: str) -> int | None:
        """Return a server's memory after load; None where it was not read."""
        read = [start.memory_bytes for start in self._starts(server, model) if start.memory_bytes]
        return read[0] if read else None

    def first_response_seconds(self, server: str, model: str) -> float | None:
        """Return the median time from a server's start to its first response."""
        seconds = [start.first_response_seconds for start in self._starts(server, model)]
        return statistics.median(seconds) if seconds else None

    def _samples(
        self, server: str, model: str, image_size: str, client_count: int
    ) -> list[CellSample]:
        key = (server, model, image_size, client_count)
        return [
            sample
            for sample in self.cells
            if (sample.server, sample.model, sample.image_size, sample.client_count) == key
        ]

    def _starts(self, server: str, model: str) -> list[StartSample]:
        starts = self.starts
        return [start for start in starts if (start.server, start.model) == (server, model)]


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
    for name, kind in (
        ("servers", ServerEntry),
        ("cells", CellSample),
        ("starts", StartSample),
        ("engine", EngineSample),
    ):
        content[name] = [kind(**item) for item in content[name]]
    return Results(**content)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values have no percentile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
