"""Metrics of a training job, by its own regular expressions."""

import math
import re
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

# A pattern such as ".*=(.*)" takes the square of a line's length, and nothing else runs meanwhile.
_MAX_CHARACTERS = 4096


class Metrics:
    """The last value of each metric.

    Args:
        definitions: AlgorithmSpecification's MetricDefinitions.
    """

    def __init__(self, definitions: Sequence[dict[str, str]]) -> None:
        self._expressions = {each["Name"]: re.compile(each["Regex"]) for each in definitions}
        self._values: dict[str, tuple[float, float]] = {}
        self._new: list[tuple[str, float, float]] = []
        # The hosts of a job write at the same time.
        self._lock = threading.Lock()

    def read(self, line: str) -> None:
        """Take the values of one line of the log."""
        for name, expression in self._expressions.items():
            for match in expression.finditer(line[:_MAX_CHARACTERS]):
                value = _single_precision(match[1] if expression.groups else match[0])
                if value is not None:
                    with self._lock:
                        now = time.time()
                        self._values[name] = value, now
                        self._new.append((name, value, now))

    def take_new(self) -> list[tuple[str, float, float]]:
        """Return name, value and time of the values that were read since the last call."""
        with self._lock:
            found, self._new = self._new, []
        return found

    def final(self) -> list[dict[str, Any]]:
        """Return FinalMetricDataList."""
        with self._lock:
            return [
                {"MetricName": name, "Value": value, "Timestamp": at}
                for name, (value, at) in self._values.items()
            ]


def _single_precision(text: str | None) -> float | None:
    """Return a number as SageMaker keeps it, in 32 bits; None if the text is not a number."""
    try:
        (value,) = struct.unpack("f", struct.pack("f", float(text or "")))
    except (ValueError, OverflowError):
        return None
    return float(value) if math.isfinite(value) else None
