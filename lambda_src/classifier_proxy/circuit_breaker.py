import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from classifier_proxy.cold_starts import ColdStarts
from classifier_proxy.errors import (
    EndpointNotRespondingError,
    EndpointStartingError,
    EndpointTimeoutError,
)

MIN_OPEN_SECONDS = 15.0
MAX_OPEN_SECONDS = 25.0
"""The open time is random, so that execution environments do not probe at the same time."""


class CircuitBreaker:
    """Stops invocations of an endpoint that does not respond.

    Otherwise each request to a hung endpoint would occupy an execution environment until its
    timeout. A timeout opens the breaker; while it is open, requests are refused. After that, one
    request is the probe: a timeout opens the breaker again, any other outcome closes it.

    Each execution environment has its own breaker, and handles one request at a time: the state
    has no lock.

    Args:
        on_open: called with the number of seconds whenever the breaker opens.
        clock: monotonic, in seconds.
        uniform: returns a random number between two bounds.
        cold_starts: of a serverless endpoint, whose timeouts do not open the breaker while they may
            be the start of a container; None: the endpoint has instances.
    """

    def __init__(
        self,
        on_open: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        cold_starts: ColdStarts | None = None,
    ) -> None:
        self._on_open = on_open
        self._clock = clock
        self._uniform = uniform
        self._cold_starts = cold_starts
        self._open_until: float | None = None
        self._probing = False

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let one invocation through, and record its outcome.

        Raises:
            EndpointNotRespondingError: the breaker is open, or another request is the probe.
            EndpointStartingError: in place of a timeout that may be the start of a container.
        """
        self._admit()
        try:
            yield
        except EndpointTimeoutError as error:
            if self._cold_starts is not None and self._cold_starts.may_explain_timeout():
                self._close()
                raise EndpointStartingError from error
            self._open()
            raise
        except BaseException:
            self._close()
            self._end_cold_starts()
            raise
        else:
            self._close()
            self._end_cold_starts()

    def _end_cold_starts(self) -> None:
        if self._cold_starts is not None:
            self._cold_starts.end()

    def _admit(self) -> None:
        if self._open_until is None:
            return
        seconds_left = self._open_until - self._clock()
        if seconds_left > 0 or self._probing:
            raise EndpointNotRespondingError(retry_after_seconds=max(1, math.ceil(seconds_left)))
        self._probing = True

    def _open(self) -> None:
        seconds = self._uniform(MIN_OPEN_SECONDS, MAX_OPEN_SECONDS)
        self._open_until = self._clock() + seconds
        self._probing = False
        self._on_open(seconds)

    def _close(self) -> None:
        self._open_until = None
        self._probing = False
