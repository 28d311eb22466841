"""Admission control: reject the requests that could not be served in time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from classifier.errors import RequestError

# Weight of the newest observation in the estimate, which follows a change within ten images.
_WEIGHT_OF_NEWEST: Final = 0.2


class Admission:
    """Counts the requests in flight, and estimates a new one's wait from the recent throughput.

    For one event loop: no method may be called from another thread.
    """

    def __init__(
        self,
        *,
        place_count: int,
        parallel_count: int,
        deadline_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with no request in flight.

        Args:
            place_count: maximum number of requests in flight.
            parallel_count: images computed at the same time; further images wait.
            deadline_seconds: from a request's arrival to its response.
            clock: returns seconds since any fixed time.
        """
        self._place_count = place_count
        self._parallel_count = parallel_count
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._request_count = 0
        self._image_count = 0
        self._seconds_per_image = 0.0
        self._waited_at: float | None = None

    @property
    def request_count(self) -> int:
        """Requests in flight."""
        return self._request_count

    @contextmanager
    def place(self) -> Iterator[None]:
        """Admit one request, and count it until the context ends.

        Raises:
            RequestError: `overloaded`: every place is taken, or the wait would be too long.
        """
        wait = self._expected_wait_seconds()
        if self._request_count >= self._place_count or wait > self._deadline_seconds:
            raise RequestError(
                "overloaded",
                "More requests are waiting than can be served in time; try again soon.",
                retry_after_seconds=max(1, math.ceil(wait - self._deadline_seconds)),
            )
        # One event loop, and no await since the check: no lock is needed.
        self._request_count += 1
        try:
            yield
        finally:
            self._request_count -= 1

    @contextmanager
    def image(self) -> Iterator[None]:
        """Count an image of an admitted request until it is computed.

        A cancelled image (deadline passed or client gone) is not used for the estimate: slow images
        would all be cancelled at once, and their short intervals would make the next images look
        cheap.
        """
        self._image_count += 1
        try:
            yield
        except asyncio.CancelledError:
            self._image_count -= 1
            if self._image_count <= self._parallel_count:
                self._waited_at = None
            raise
        except Exception:
            self._leave()
            raise
        self._leave()

    def _expected_wait_seconds(self) -> float:
        # A request whose body is still being received adds at least one image.
        image_count = max(self._image_count, self._request_count)
        images_before = max(0, image_count - self._parallel_count + 1)
        return images_before * self._seconds_per_image

    def _leave(self) -> None:
        self._observe()
        self._image_count -= 1

    def _observe(self) -> None:
        # While images wait, the time between two completions is the time that one image takes. When
        # none waits, it also contains idle time, so it is not used.
        now = self._clock()
        if self._waited_at is not None:
            seconds = now - self._waited_at
            if self._seconds_per_image:
                seconds = (
                    _WEIGHT_OF_NEWEST * seconds + (1 - _WEIGHT_OF_NEWEST) * self._seconds_per_image
                )
            self._seconds_per_image = seconds
        self._waited_at = now if self._image_count > self._parallel_count else None
