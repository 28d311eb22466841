"""Counts and durations of requests: one line of the log each minute."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Final

INTERVAL_SECONDS: Final = 60.0
_log = logging.getLogger("classifier.serving.counters")


class Counters:
    """Counts since the last line of the log."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()
        self._durations_ms: dict[str, list[float]] = {}
        self._max_in_flight = 0

    def count(self, outcome: str, duration_ms: float) -> None:
        """Count a request by its outcome: `ok`, or an error code."""
        self._outcomes[outcome] += 1
        if outcome == "ok":
            self.observe("response", duration_ms)

    def observe(self, stage: str, duration_ms: float) -> None:
        """Record the duration of a stage of one request or image."""
        self._durations_ms.setdefault(stage, []).append(duration_ms)

    def observe_in_flight(self, request_count: int) -> None:
        """Record the number of requests in flight; the log line has the maximum."""
        self._max_in_flight = max(self._max_in_flight, request_count)

    def take_line(self) -> dict[str, object]:
        """Return the counts and reset them.

        Returns:
            `requests` (count by outcome), `max_in_flight`, and for each stage `<stage>_p50_ms` and
            `<stage>_p99_ms`.
        """
        line: dict[str, object] = {
            "requests": dict(sorted(self._outcomes.items())),
            "max_in_flight": self._max_in_flight,
        }
        for stage, durations in sorted(self._durations_ms.items()):
            ordered = sorted(durations)
            for percent in (50, 99):
                value = ordered[(len(ordered) - 1) * percent // 100]
                line[f"{stage}_p{percent}_ms"] = round(value, 1)
        self._outcomes.clear()
        self._durations_ms.clear()
        self._max_in_flight = 0
        return line

    def log_line(self) -> None:
        """Log the counts, unless there was nothing to count."""
        if self._outcomes:
            _log.info("counters", extra={"fields": self.take_line()})

    async def log_lines(self) -> None:
        """Log a line each minute until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            self.log_line()
