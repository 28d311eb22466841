import time
from collections.abc import Callable
from typing import Any, Protocol

from classifier_proxy.errors import (
    EndpointError,
    EndpointNotInServiceError,
    EndpointPausedError,
)

CACHE_SECONDS = 30.0
"""`GET /health` needs no key, so DescribeEndpoint is called at most this often."""

FAILURE_CACHE_SECONDS = 3.0
"""The same for a status that could not be read, so that a short failure is not shown for long."""

SERVING_STATUSES = frozenset(
    {"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"}
)
"""The values of EndpointStatus (DescribeEndpoint) with which the endpoint serves requests. During a
blue/green update the old fleet serves; after a failed rollback, instances of both fleets do."""


class DescribedEndpoint(Protocol):
    """An endpoint whose status can be read."""

    def status(self) -> str:
        """Return DescribeEndpoint's EndpointStatus.

        Raises:
            EndpointError: it could not be read.
        """


class Health:
    """The status of an endpoint, cached.

    Args:
        endpoint: the endpoint to describe.
        clock: monotonic, in seconds.
    """

    def __init__(
        self, endpoint: DescribedEndpoint, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._status: str | EndpointError = ""
        self._fresh_until = float("-inf")

    def check(self) -> dict[str, Any]:
        """Return `{"status": "ok", "endpoint_status": one of SERVING_STATUSES}`.

        The status is cached for `CACHE_SECONDS`, a failure to read it for `FAILURE_CACHE_SECONDS`.

        Raises:
            EndpointPausedError: the stage is paused.
            EndpointNotInServiceError: the endpoint is not in service, or its status is unknown.
        """
        if self._clock() >= self._fresh_until:
            self._status = self._read_status()
            failed = isinstance(self._status, EndpointError)
            self._fresh_until = self._clock() + (FAILURE_CACHE_SECONDS if failed else CACHE_SECONDS)
        if isinstance(self._status, EndpointPausedError):
            raise EndpointPausedError from self._status
        if isinstance(self._status, EndpointError):
            raise EndpointNotInServiceError from self._status
        if self._status not in SERVING_STATUSES:
            raise EndpointNotInServiceError
        return {"status": "ok", "endpoint_status": self._status}

    def _read_status(self) -> str | EndpointError:
        try:
            return self._endpoint.status()
        except EndpointError as error:
            return error
