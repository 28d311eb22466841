from __future__ import annotations

import time
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from classifier_proxy import errors
from classifier_proxy.deadlines import call_within
from classifier_proxy.endpoint.clients import create_client
from classifier_proxy.endpoint.errors import SDK_ERRORS, from_sdk_error
from classifier_proxy.endpoint.pause import PauseParameter

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

CONNECT_TIMEOUT_SECONDS = 0.4
READ_TIMEOUT_SECONDS = 0.8
MAX_CALL_SECONDS = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS

MAX_STATUS_SECONDS = 1.7
"""Keeps a health check within 2 s, also where the endpoint is missing."""


class SageMakerEndpointStatus:
    """Reads the status of a SageMaker endpoint; a `health.DescribedEndpoint`."""

    def __init__(self, name: str, pause: PauseParameter) -> None:
        self._name = name
        self._pause = pause
        self._client: SageMakerClient = create_client(
            "sagemaker",
            connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
            read_timeout_seconds=READ_TIMEOUT_SECONDS,
        )

    def status(self) -> str:
        """Call DescribeEndpoint once, for `MAX_CALL_SECONDS` at most; return its EndpointStatus.

        Raises:
            EndpointError: one of its subclasses, chained from the SDK's error.
        """
        ending = time.monotonic() + MAX_STATUS_SECONDS
        try:
            status = call_within(MAX_CALL_SECONDS, self._describe)
        except ClientError as error:
            seconds_left = ending - time.monotonic()
            raise self._pause.explain(_from_service_error(error), seconds_left) from error
        except SDK_ERRORS as error:
            raise from_sdk_error(error) from error
        if not isinstance(status, str):
            raise errors.InvalidEndpointResponseError
        return status

    def _describe(self) -> str | None:
        return self._client.describe_endpoint(EndpointName=self._name).get("EndpointStatus")


def _from_service_error(error: ClientError) -> errors.EndpointError:
    """Map an error response of DescribeEndpoint, which has one code for many causes."""
    if "Could not find endpoint" in str(error.response.get("Error", {}).get("Message", "")):
        return errors.EndpointMissingError()
    return errors.EndpointFailedError()
