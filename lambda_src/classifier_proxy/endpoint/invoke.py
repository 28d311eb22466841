from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from classifier_proxy import errors
from classifier_proxy.deadlines import call_within
from classifier_proxy.endpoint.clients import create_client
from classifier_proxy.endpoint.errors import SDK_ERRORS, from_sdk_error, is_timeout
from classifier_proxy.endpoint.pause import PauseParameter
from classifier_proxy.parameters import Parameters

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_sagemaker_runtime.type_defs import InvokeEndpointInputTypeDef

    from classifier_proxy.requests import ClassificationRequest

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:=-]{1,128}")

MAX_RESPONSE_BYTES = 6 * 1024 * 1024
"""The maximum size that Lambda returns. 21,000 classes need 2 MB."""

CONNECT_TIMEOUT_SECONDS = 1.0


class SageMakerEndpoint:
    """A real-time or serverless SageMaker endpoint; a `protocol.Endpoint`.

    Args:
        name: the endpoint's name.
        pause: says whether a missing endpoint is that of a paused stage.
        read_timeout_seconds: timeout between two parts of a response.
        connect_timeout_seconds: timeout to open a connection.
    """

    def __init__(
        self,
        name: str,
        pause: PauseParameter,
        read_timeout_seconds: float,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    ) -> None:
        self._name = name
        self._pause = pause
        self._max_invoke_seconds = connect_timeout_seconds + read_timeout_seconds
        self._may_reconnect = True
        self._client: SageMakerRuntimeClient = create_client(
            "sagemaker-runtime",
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )

    @property
    def max_invoke_seconds(self) -> float:
        """Maximum duration of `invoke`: that of one attempt that times out.

        Reading whether the stage is paused has only the time that the invocation left. An
        invocation is stopped after this time, because each received byte restarts the read
        timeout, and a second attempt has only the time that the first one left.
        """
        return self._max_invoke_seconds

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Call InvokeEndpoint for `max_invoke_seconds` at most; return the body, unchecked.

        Raises:
            ModelRejectionError: the model's container rejected the request.
            ResponseTooLargeError: more than `MAX_RESPONSE_BYTES` for a request of many classes.
            EndpointError: one of its subclasses, chained from the SDK's error.
        """
        ending = time.monotonic() + self.max_invoke_seconds
        try:
            body = call_within(self.max_invoke_seconds, lambda: self._call_twice(request))
        except SDK_ERRORS as error:
            seconds_left = ending - time.monotonic()
            raise self._pause.explain(from_sdk_error(error), seconds_left) from error
        if len(body) > MAX_RESPONSE_BYTES:
            if request.parameters.requests_many_classes:
                raise errors.ResponseTooLargeError
            raise errors.InvalidEndpointResponseError
        return body

    def _call_twice(self, request: ClassificationRequest) -> bytes:
        """Call once more if the connection failed: SageMaker may have closed an idle one.

        Not after a timeout, which would hold the function for twice the time, and after two failed
        attempts not before the endpoint has responded again.
        """
        try:
            return self._call(request)
        except (EndpointConnectionError, ConnectionClosedError) as error:
            if is_timeout(error) or not self._may_reconnect:
                raise
        self._may_reconnect = False
        return self._call(request)

    def _call(self, request: ClassificationRequest) -> bytes:
        arguments: InvokeEndpointInputTypeDef = {
            "EndpointName": self._name,
            "Body": request.image,
            "ContentType": request.media_type,
            "Accept": "application/json",
            "CustomAttributes": _custom_attributes(request.parameters, request.request_id),
        }
        try:
            response = self._client.invoke_endpoint(**arguments)
        except ClientError:
            self._may_reconnect = True
            raise
        self._may_reconnect = True
        return response["Body"].read(MAX_RESPONSE_BYTES + 1)


def _custom_attributes(parameters: Parameters, request_id: str) -> str:
    """Return the options for the container that differ from its defaults."""
    options = {"measurements": "true"}
    # The caller can set the id of a request: with a comma it could add attributes.
    if _REQUEST_ID.fullmatch(request_id):
        options["request_id"] = request_id
    if parameters.top_k is not None:
        options["top_k"] = str(parameters.top_k)
    if parameters.order != Parameters.order:
        options["order"] = parameters.order
    if parameters.scores != Parameters.scores:
        options["scores"] = parameters.scores
    return ",".join(f"{name}={value}" for name, value in options.items())
