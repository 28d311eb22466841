"""Samples -> figures: medians over the rounds, ratios of what was measured in the same round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.results import CellSample, EngineSample, Results

Figure = Literal["throughput", "p50_ms", "cpu_ms"]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values have no percentile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A server in a cell, over all rounds.

    Attributes:
        throughput: median, answers a second.
        p50_ms, p99_ms: of all answers.
        cpu_ms: median, an answer.
        refused: answers 503.
        failed: other answers than 200 and 503, and none.
    """

    throughput: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    refused: int
    failed: int


class Summary:
    """The figures of a run."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def samples(
        self, server: str, model: str, picture: str, client_count: int
    ) -> dict[int, CellSample]:
        """Return a server's samples in a cell by round."""
        return {
            sample.round: sample
            for sample in self.results.cells
            if (sample.server, sample.model, sample.picture, sample.client_count)
            == (server, model, picture, client_count)
        }

    def cell(self, server: str, model: str, picture: str, client_count: int) -> Cell | None:
        """Return a server's figures in a cell; none where it answered nothing."""
        samples = list(self.samples(server, model, picture, client_count).values())
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
        self, figure: Figure, server: str, model: str, picture: str, client_count: int
    ) -> dict[int, float]:
        """Return a figure of a server in a cell by round; rounds without an answer are left out."""
        return {
            number: percentile(sample.latencies_ms, 0.5)
            if figure == "p50_ms"
            else float(getattr(sample, figure))
            for number, sample in self.samples(server, model, picture, client_count).items()
            if sample.latencies_ms
        }

    def engine(self, precision: str, model: str) -> dict[int, EngineSample]:
        """Return the engine's own samples by round."""
        return {
            sample.round: sample
            for sample in self.results.engine
            if (sample.precision, sample.model) == (precision, model)
        }

    def memory_bytes(self, server: str, model: str) -> int | None:
        """Return a server's memory after load."""
        found = [
            start.memory_bytes
            for start in self.results.starts
            if (start.server, start.model) == (server, model) and start.memory_bytes is not None
        ]
        return found[0] if found else None

    def first_answer_seconds(self, server: str, model: str) -> float | None:
        """Return the median time from a server's start to its first answer."""
        found = [
            start.first_answer_seconds
            for start in self.results.starts
            if (start.server, start.model) == (server, model)
        ]
        return statistics.median(found) if found else None


def ratio(above: Mapping[int, float], below: Mapping[int, float]) -> float | None:
    """Return the median over the rounds of one figure by another of the same round."""
    ratios = [above[key] / below[key] for key in above.keys() & below.keys() if below[key] > 0]
    return statistics.median(ratios) if ratios else None
