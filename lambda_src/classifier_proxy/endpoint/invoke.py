from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from classifier_proxy import errors
from classifier_proxy.deadlines import call_within
from classifier_proxy.endpoint.clients import create_client
from classifier_proxy.endpoint.errors import from_service_error, from_transport_error
from classifier_proxy.parameters import Parameters

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_sagemaker_runtime.type_defs import InvokeEndpointInputTypeDef

    from classifier_proxy.requests import ClassificationRequest

MAX_RESPONSE_BYTES = 6 * 1024 * 1024
"""What Lambda returns at most, and so more than any response that can be passed on. 21,000 classes
need 2 MB."""

LONGEST_BACKOFF_SECONDS = 1.0
"""The longest that botocore's `standard` mode waits before a second attempt (throttling: a random
part of 1 s; otherwise of 0.05 s; `botocore.retries.standard.ExponentialBackoff`)."""


@dataclass(frozen=True)
class CallLimits:
    """How long and how often the endpoint is tried.

    API Gateway waits 29 s and the function has 27 s; of these two attempts of 9 s take at most 19.

    Attributes:
        connect_timeout_seconds: to open a connection.
        read_timeout_seconds: to wait for each part of an answer.
        attempts: calls in all, the first included.
    """

    connect_timeout_seconds: float = 1.0
    read_timeout_seconds: float = 8.0
    attempts: int = 2

    @property
    def longest_call_seconds(self) -> float:
        """Every attempt timing out, with the longest waits between them; a call is given up then.

        A timeout is only of the wait for the next bytes, and an endpoint may drip.
        """
        attempt_seconds = self.connect_timeout_seconds + self.read_timeout_seconds
        return self.attempts * attempt_seconds + (self.attempts - 1) * LONGEST_BACKOFF_SECONDS


class SageMakerEndpoint:
    """A real-time or serverless SageMaker endpoint; satisfies `service.Endpoint`.

    Args:
        name: the endpoint's name.
        limits: timeouts and attempts of a call.
    """

    def __init__(self, name: str, limits: CallLimits) -> None:
        self._name = name
        self._limits = limits
        self._client: SageMakerRuntimeClient = create_client(
            "sagemaker-runtime",
            Config(
                connect_timeout=limits.connect_timeout_seconds,
                read_timeout=limits.read_timeout_seconds,
                # `standard` retries only where the answer can change and, when most calls fail,
                # hardly at all: neither ModelError nor ModelNotReady, so no load on a sick model.
                retries={"mode": "standard", "total_max_attempts": limits.attempts},
            ),
        )

    @property
    def longest_call_seconds(self) -> float:
        """The longest that `invoke` takes before it gives up, every attempt included."""
        return self._limits.longest_call_seconds

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Call InvokeEndpoint, for `longest_call_seconds` at most.

        Args:
            request: what to classify.

        Returns:
            The body of the answer, unchecked.

        Raises:
            ModelRejectionError: the model's container refused the request.
            ResponseTooLargeError: there are more than `MAX_RESPONSE_BYTES`, of many classes.
            EndpointError: one of its kinds, chained from the SDK's error.
        """
        try:
            answer = call_within(self.longest_call_seconds, lambda: self._read_answer(request))
        except TimeoutError as error:
            raise errors.EndpointTimeoutError from error
        except ClientError as error:
            raise from_service_error(error) from error
        except BotoCoreError as error:
            raise from_transport_error(error) from error
        except (ResponseParserError, AttributeError, TypeError, ValueError) as error:
            # That is how botocore's parsers fail on an error of another form than the service's.
            raise errors.InvalidEndpointAnswerError from error
        if len(answer) > MAX_RESPONSE_BYTES:
            if request.parameters.requests_many_classes:
                raise errors.ResponseTooLargeError
            raise errors.InvalidEndpointAnswerError
        return answer

    def _read_answer(self, request: ClassificationRequest) -> bytes:
        arguments: InvokeEndpointInputTypeDef = {
            "EndpointName": self._name,
            "Body": request.image,
            "ContentType": request.media_type,
            "Accept": "application/json",
            "CustomAttributes": _custom_attributes(request.parameters),
        }
        return self._client.invoke_endpoint(**arguments)["Body"].read(MAX_RESPONSE_BYTES + 1)


def _custom_attributes(parameters: Parameters) -> str:
    """Return the container's options: what is not its default, and so that it measures."""
    options = {"measurements": "true"}
    if parameters.top_k is not None:
        options["top_k"] = str(parameters.top_k)
    if parameters.order != Parameters.order:
        options["order"] = parameters.order
    if parameters.scores != Parameters.scores:
        options["scores"] = parameters.scores
    return ",".join(f"{name}={value}" for name, value in options.items())
