from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.config import Config

from classifier_proxy import errors
from classifier_proxy.deadlines import call_within
from classifier_proxy.endpoint.clients import create_client
from classifier_proxy.endpoint.errors import SDK_ERRORS, from_sdk_error
from classifier_proxy.parameters import Parameters

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_sagemaker_runtime.type_defs import InvokeEndpointInputTypeDef

    from classifier_proxy.requests import ClassificationRequest

MAX_RESPONSE_BYTES = 6 * 1024 * 1024
"""The maximum size that Lambda returns. 21,000 classes need 2 MB."""

MAX_BACKOFF_SECONDS = 1.0
"""The longest time that botocore's `standard` mode waits before a second attempt: a random part of
1 s after throttling, otherwise of 0.05 s (`botocore.retries.standard.ExponentialBackoff`)."""


@dataclass(frozen=True)
class InvokeLimits:
    """Timeouts and attempts of an invocation.

    API Gateway waits 29 s and the function has 27 s; two attempts of 9 s take at most 19 of these.

    Attributes:
        connect_timeout_seconds: timeout to open a connection.
        read_timeout_seconds: timeout between two parts of a response.
        attempts: number of attempts, including the first.
    """

    connect_timeout_seconds: float = 1.0
    read_timeout_seconds: float = 8.0
    attempts: int = 2

    @property
    def max_invoke_seconds(self) -> float:
        """Maximum duration: every attempt times out, with the longest waits between attempts.

        An invocation is stopped after this time, because each received byte restarts the read
        timeout.
        """
        attempt_seconds = self.connect_timeout_seconds + self.read_timeout_seconds
        return self.attempts * attempt_seconds + (self.attempts - 1) * MAX_BACKOFF_SECONDS


class SageMakerEndpoint:
    """A real-time or serverless SageMaker endpoint; a `routes.Endpoint`."""

    def __init__(self, name: str, limits: InvokeLimits) -> None:
        self._name = name
        self._limits = limits
        self._client: SageMakerRuntimeClient = create_client(
            "sagemaker-runtime",
            Config(
                connect_timeout=limits.connect_timeout_seconds,
                read_timeout=limits.read_timeout_seconds,
                # `standard` does not retry ModelError and ModelNotReady, and hardly retries when
                # most calls fail, so a failing model gets no additional load.
                retries={"mode": "standard", "total_max_attempts": limits.attempts},
            ),
        )

    @property
    def max_invoke_seconds(self) -> float:
        """See `InvokeLimits.max_invoke_seconds`."""
        return self._limits.max_invoke_seconds

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Call InvokeEndpoint for `max_invoke_seconds` at most; return the body, unchecked.

        Raises:
            ModelRejectionError: the model's container rejected the request.
            ResponseTooLargeError: more than `MAX_RESPONSE_BYTES` for a request of many classes.
            EndpointError: one of its subclasses, chained from the SDK's error.
        """
        try:
            body = call_within(self.max_invoke_seconds, lambda: self._call(request))
        except SDK_ERRORS as error:
            raise from_sdk_error(error) from error
        if len(body) > MAX_RESPONSE_BYTES:
            if request.parameters.requests_many_classes:
                raise errors.ResponseTooLargeError
            raise errors.InvalidEndpointResponseError
        return body

    def _call(self, request: ClassificationRequest) -> bytes:
        arguments: InvokeEndpointInputTypeDef = {
            "EndpointName": self._name,
            "Body": request.image,
            "ContentType": request.media_type,
            "Accept": "application/json",
            "CustomAttributes": _custom_attributes(request.parameters),
        }
        return self._client.invoke_endpoint(**arguments)["Body"].read(MAX_RESPONSE_BYTES + 1)


def _custom_attributes(parameters: Parameters) -> str:
    """Return the options for the container that differ from its defaults."""
    options = {"measurements": "true"}
    if parameters.top_k is not None:
        options["top_k"] = str(parameters.top_k)
    if parameters.order != Parameters.order:
        options["order"] = parameters.order
    if parameters.scores != Parameters.scores:
        options["scores"] = parameters.scores
    return ",".join(f"{name}={value}" for name, value in options.items())
