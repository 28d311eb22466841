"""Admission control: reject the requests that could not be served in time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from classifier.errors import RequestError

# Weight of the newest observation in the estimate, which follows a change within ten images.
_WEIGHT_OF_NEWEST: Final = 0.2


class Admission:
    """Counts the requests in flight, and estimates the wait of a new one.

    The estimate is the time of decoding the images before it, by their headers, and for each of
    them the time that the last images took in addition.

    For one event loop: no method may be called from another thread.
    """

    def __init__(
        self,
        *,
        place_count: int,
        parallel_count: int,
        decoder_count: int,
        deadline_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with no request in flight.

        Args:
            place_count: maximum number of requests in flight.
            parallel_count: images computed at the same time; further images wait.
            decoder_count: images decoded at the same time.
            deadline_seconds: from the arrival of a request's last byte to its response.
            clock: returns seconds since any fixed time.
        """
        self._place_count = place_count
        self._parallel_count = parallel_count
        self._decoder_count = decoder_count
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._request_count = 0
        self._image_count = 0
        self._decode_seconds = 0.0
        self._seconds_per_image = 0.0
        self._waited_at: float | None = None

    @property
    def request_count(self) -> int:
        """Requests in flight."""
        return self._request_count

    @property
    def image_count(self) -> int:
        """Images of admitted requests that are being decoded or computed, or wait for it."""
        return self._image_count

    def check(self, decode_seconds: float = 0.0) -> None:
        """Check whether a request could be admitted now; it takes no place.

        Args:
            decode_seconds: estimated processor time of decoding all of its images; 0 before they
                have arrived.

        Raises:
            RequestError: `overloaded`: every place is taken, or the wait would be too long;
                `payload_too_large`: decoding the images would take longer than the deadline even
                without other requests.
        """
        own = decode_seconds / self._decoder_count
        if own > self._deadline_seconds:
            raise RequestError(
                "payload_too_large",
                f"Decoding the images would take about {own:.1f} s, more than the "
                f"{self._deadline_seconds:g} s until the response is due; send fewer or smaller "
                "images in a request.",
            )
        wait = self._expected_wait_seconds() + own
        if self._request_count >= self._place_count or wait > self._deadline_seconds:
            raise RequestError(
                "overloaded",
                "More requests are waiting than can be served in time; try again soon.",
                retry_after_seconds=max(1, math.ceil(wait - self._deadline_seconds)),
            )

    def place(self, decode_seconds: float = 0.0) -> AbstractContextManager[None]:
        """Admit one request, and count it until the context ends.

        Args:
            decode_seconds: as `check` takes it.

        Raises:
            RequestError: on entering, as `check`.
        """
        return _Place(self, decode_seconds)

    def image(self, decode_seconds: float = 0.0) -> AbstractContextManager[None]:
        """Count an image of an admitted request until it is computed, when the context ends.

        A cancelled image (deadline passed or client gone) is not used for the estimate: slow images
        would all be cancelled at once, and their short intervals would make the next images look
        cheap.

        Args:
            decode_seconds: estimated processor time of decoding it.
        """
        return _Image(self, decode_seconds)

    def _enter(self, decode_seconds: float) -> None:
        self.check(decode_seconds)
        # One event loop, and no await since the check: no lock is needed.
        self._request_count += 1

    def _exit(self) -> None:
        self._request_count -= 1

    def _enter_image(self, decode_seconds: float) -> None:
        self._image_count += 1
        self._decode_seconds += decode_seconds

    def _exit_image(self, decode_seconds: float, *, is_cancelled: bool) -> None:
        if not is_cancelled:
            self._observe(decode_seconds)
        self._leave(decode_seconds)
        if is_cancelled and self._image_count <= self._parallel_count:
            self._waited_at = None

    def _expected_wait_seconds(self) -> float:
        # A request whose images are not counted yet adds at least one image.
        image_count = max(self._image_count, self._request_count)
        images_before = max(0, image_count - self._parallel_count + 1)
        return images_before * self._seconds_per_image + self._decode_seconds / self._decoder_count

    def _leave(self, decode_seconds: float) -> None:
        self._image_count -= 1
        # No rounding error may remain, which would add up over millions of images.
        self._decode_seconds = self._decode_seconds - decode_seconds if self._image_count else 0.0

    def _observe(self, decode_seconds: float) -> None:
        # While images wait, the time between two completions is the time that one image takes. When
        # none waits, it also contains idle time, so it is not used. What was expected of its
        # decoding is not part of the pace: the next image may be another one.
        now = self._clock()
        if self._waited_at is not None:
            seconds = max(0.0, now - self._waited_at - decode_seconds / self._decoder_count)
            if self._seconds_per_image:
                seconds = (
                    _WEIGHT_OF_NEWEST * seconds + (1 - _WEIGHT_OF_NEWEST) * self._seconds_per_image
                )
            self._seconds_per_image = seconds
        self._waited_at = now if self._image_count > self._parallel_count else None


# Classes, not generators with `contextmanager`, which take twice as long: each request enters two.
class _Place(AbstractContextManager[None]):
    def __init__(self, admission: Admission, decode_seconds: float) -> None:
        self._admission = admission
        self._decode_seconds = decode_seconds

    def __enter__(self) -> None:
        self._admission._enter(self._decode_seconds)

    def __exit__(self, *_error: object) -> None:
        self._admission._exit()


class _Image(AbstractContextManager[None]):
    def __init__(self, admission: Admission, decode_seconds: float) -> None:
        self._admission = admission
        self._decode_seconds = decode_seconds

    def __enter__(self) -> None:
        self._admission._enter_image(self._decode_seconds)

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        is_cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
        self._admission._exit_image(self._decode_seconds, is_cancelled=is_cancelled)
