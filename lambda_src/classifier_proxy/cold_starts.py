import time
from collections.abc import Callable

MAX_START_SECONDS = 240.0
"""How long a request to a serverless endpoint may take: 3 minutes until the container is healthy,
and a minute for its response (serverless-endpoints-invoke.html in SageMaker's developer guide)."""


class ColdStarts:
    """Says whether a timeout of a serverless endpoint may be the start of a container.

    SageMaker does not say that a container starts. Without a response in between, timeouts may be
    one start for as long as a start may take; after that the endpoint does not respond.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first_timeout = self._last_timeout = float("-inf")

    def may_explain_timeout(self) -> bool:
        """Return whether the request that timed out just now may have waited for a container."""
        now = self._clock()
        if now - self._last_timeout > MAX_START_SECONDS:
            self._first_timeout = now
        self._last_timeout = now
        return now - self._first_timeout <= MAX_START_SECONDS

    def end(self) -> None:
        """Record that the endpoint has responded: a later timeout is another start."""
        self._last_timeout = float("-inf")
