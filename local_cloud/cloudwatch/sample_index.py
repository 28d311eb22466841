"""Finds the samples of a period without reading all samples of a metric."""

import threading
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Any

Sample = Mapping[str, Any]


class SampleIndex:
    """The samples of one metric by the second of their `Timestamp`.

    The list of samples only grows; another list, as after MiniStack's eviction, is indexed anew.
    """

    def __init__(self) -> None:
        self._source: Sequence[Sample] = ()
        self._indexed = 0
        self._seconds: list[int] = []
        self._by_second: dict[int, list[Sample]] = {}
        self._lock = threading.Lock()

    def between(self, samples: Sequence[Sample], start: float, end: float) -> list[Sample]:
        """Return the samples in [start, end).

        Args:
            samples: all samples of the metric.
            start: seconds since 1970.
            end: seconds since 1970.
        """
        with self._lock:
            self._update(samples)
            first = bisect_left(self._seconds, int(start))
            last = bisect_left(self._seconds, end)
            found = [
                sample for second in self._seconds[first:last] for sample in self._by_second[second]
            ]
        return [sample for sample in found if start <= sample["Timestamp"] < end]

    def _update(self, samples: Sequence[Sample]) -> None:
        if samples is not self._source or len(samples) < self._indexed:
            self._source, self._indexed = samples, 0
            self._seconds, self._by_second = [], {}
        for sample in samples[self._indexed :]:
            second = int(sample["Timestamp"])
            if second not in self._by_second:
                self._by_second[second] = []
                insort(self._seconds, second)
            self._by_second[second].append(sample)
            self._indexed += 1
