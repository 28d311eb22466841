"""The AWS JSON 1.1 protocol, used by SageMaker and Application Auto Scaling."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local_cloud.sagemaker.errors import AwsError

Response = tuple[int, dict[str, str], bytes]


def respond(
    call: Callable[[str, dict[str, Any]], dict[str, Any]], headers: Mapping[str, str], body: bytes
) -> Response:
    """Return the response to a JSON 1.1 request, with the result of `call(operation, parameters)`.

    An AwsError that `call` raises becomes an error response.
    """
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        response = call(operation, _parameters(body))
    except AwsError as error:
        return error_response(error)
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(response).encode()


def error_response(error: AwsError, *, code: str | None = None) -> Response:
    """Return an error response that SDKs understand in both JSON protocols.

    Args:
        error: the error.
        code: replaces the error's own code; None keeps it.
    """
    named = code or error.code
    headers = {"Content-Type": "application/json", "x-amzn-errortype": named}
    content = {"__type": named, "Message": error.message, **error.fields}
    return error.status, headers, json.dumps(content).encode()


def _parameters(body: bytes) -> dict[str, Any]:
    try:
        parameters = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise AwsError("SerializationException", "The body must be a JSON object.")
    return parameters
