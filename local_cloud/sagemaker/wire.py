"""The JSON 1.1 protocol of both services."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local_cloud.sagemaker.errors import AwsError

Answer = tuple[int, dict[str, str], bytes]


def answer_request(
    call: Callable[[str, dict[str, Any]], dict[str, Any]], headers: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a request of the JSON 1.1 protocol with what `call(operation, parameters)` gives."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        answer = call(operation, _parameters(body))
    except AwsError as error:
        return error_answer(error)
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()


def error_answer(error: AwsError, *, code: str | None = None) -> Answer:
    """Return an error in the form that both JSON protocols of the SDKs read.

    Args:
        error: what to tell.
        code: instead of the error's own, where an API has another name for it.
    """
    named = code or error.code
    headers = {"Content-Type": "application/json", "x-amzn-errortype": named}
    content = {"__type": named, "Message": error.message, **error.fields}
    return error.status, headers, json.dumps(content).encode()


def _parameters(body: bytes) -> dict[str, Any]:
    try:
        parameters = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"The body is no JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise AwsError("SerializationException", "The body must be a JSON object.")
    return parameters
