import time
from collections.abc import Callable
from typing import Any, Protocol

from classifier_proxy.errors import EndpointError, EndpointNotInServiceError

CACHE_SECONDS = 30.0
"""Anyone may ask, without a key; SageMaker is asked at most this often by each environment."""

SERVING_STATUSES = frozenset(
    {"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"}
)
"""The endpoint statuses of DescribeEndpoint in which requests are answered: an update is blue/green
and leaves the old fleet serving, and a failed rollback leaves a mix of both."""


class DescribedEndpoint(Protocol):
    """Something that knows an endpoint's state."""

    def status(self) -> str:
        """Ask for the endpoint's status.

        Returns:
            One of the values of DescribeEndpoint's EndpointStatus.

        Raises:
            EndpointError: it could not be found out.
        """


class Health:
    """Says whether the endpoint is in service.

    Args:
        endpoint: whose state it is.
        clock: seconds that only grow.
    """

    def __init__(
        self, endpoint: DescribedEndpoint, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._status: str | EndpointError = ""
        self._fresh_until = float("-inf")

    def check(self) -> dict[str, Any]:
        """Find out, or remember for `CACHE_SECONDS` what was found out, failures included.

        Returns:
            `{"status": "ok", "endpoint_status": one of SERVING_STATUSES}`.

        Raises:
            EndpointNotInServiceError: the endpoint serves nothing, or its state is not known.
        """
        if self._clock() >= self._fresh_until:
            self._status = self._ask()
            self._fresh_until = self._clock() + CACHE_SECONDS
        if isinstance(self._status, EndpointError):
            raise EndpointNotInServiceError from self._status
        if self._status not in SERVING_STATUSES:
            raise EndpointNotInServiceError
        return {"status": "ok", "endpoint_status": self._status}

    def _ask(self) -> str | EndpointError:
        try:
            return self._endpoint.status()
        except EndpointError as error:
            return error
