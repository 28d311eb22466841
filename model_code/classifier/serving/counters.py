"""What the server did, as numbers: one line of the log each minute."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Final

INTERVAL_SECONDS: Final = 60.0
_log = logging.getLogger("classifier.serving.counters")


class Counters:
    """Counts since the last line; a duration is kept as a list until then."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()
        self._milliseconds: dict[str, list[float]] = {}
        self._most_inside = 0

    def count(self, outcome: str, duration_ms: float) -> None:
        """Count a request by its outcome: `ok`, or the code of its error."""
        self._outcomes[outcome] += 1
        if outcome == "ok":
            self.observe("answer", duration_ms)

    def observe(self, stage: str, duration_ms: float) -> None:
        """Note how long a stage took."""
        self._milliseconds.setdefault(stage, []).append(duration_ms)

    def observe_inside(self, request_count: int) -> None:
        """Note how many requests are inside."""
        self._most_inside = max(self._most_inside, request_count)

    def take_line(self) -> dict[str, object]:
        """Return the counts and start again from 0.

        Returns:
            `requests` (count by outcome), `most_inside`, and for each stage `<stage>_p50_ms` and
            `<stage>_p99_ms`.
        """
        line: dict[str, object] = {
            "requests": dict(sorted(self._outcomes.items())),
            "most_inside": self._most_inside,
        }
        for stage, durations in sorted(self._milliseconds.items()):
            ordered = sorted(durations)
            for percent in (50, 99):
                value = ordered[(len(ordered) - 1) * percent // 100]
                line[f"{stage}_p{percent}_ms"] = round(value, 1)
        self.__init__()  # type: ignore[misc]  # the one place that knows what the start is
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
