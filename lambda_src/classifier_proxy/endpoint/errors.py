from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from urllib3 import exceptions as urllib3_exceptions

from classifier_proxy import errors
from classifier_proxy.model_response import parse_rejection

SDK_ERRORS = (
    BotoCoreError,
    ClientError,
    TimeoutError,
    # The SDK reads and parses an error response without a handler for these.
    urllib3_exceptions.HTTPError,
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    RuntimeError,  # a RecursionError, too
    TypeError,
    ValueError,
)
"""Exceptions of a call: the SDK's own, and what its parsers raise for a malformed response."""

OVERLOADED_STATUS = 503
"""The status that the container returns by its contract when its queue is full."""

_ERROR_BY_CODE: dict[str, type[errors.EndpointError]] = {
    "ModelNotReadyException": errors.ModelNotReadyError,
    "Throttling": errors.EndpointThrottledError,
    "ThrottlingException": errors.EndpointThrottledError,
    "ServiceUnavailable": errors.EndpointUnavailableError,
    "ServiceUnavailableException": errors.EndpointUnavailableError,
    "AccessDenied": errors.EndpointAccessDeniedError,
    "AccessDeniedException": errors.EndpointAccessDeniedError,
    "ExpiredToken": errors.EndpointAccessDeniedError,
    "ExpiredTokenException": errors.EndpointAccessDeniedError,
    "UnrecognizedClientException": errors.EndpointAccessDeniedError,
}
_ERROR_BY_STATUS: dict[int, type[errors.EndpointError]] = {
    401: errors.EndpointAccessDeniedError,
    403: errors.EndpointAccessDeniedError,
    429: errors.EndpointThrottledError,
    503: errors.EndpointUnavailableError,
}


def from_sdk_error(error: Exception) -> errors.ProxyError:
    """Map one of `SDK_ERRORS`."""
    if isinstance(error, ClientError):
        return from_service_error(error)
    if isinstance(error, BotoCoreError):
        return from_transport_error(error)
    if isinstance(error, TimeoutError | urllib3_exceptions.TimeoutError):
        return errors.EndpointTimeoutError()
    return errors.InvalidEndpointResponseError()


def from_service_error(error: ClientError) -> errors.ProxyError:
    """Map an error response of SageMaker; codes as in the API reference of InvokeEndpoint."""
    response: dict[str, Any] = dict(error.response)
    code = str(response.get("Error", {}).get("Code", ""))
    if code == "ModelError":
        original_status = response.get("OriginalStatusCode")
        if isinstance(original_status, int) and original_status in errors.MODEL_REJECTIONS:
            return parse_rejection(original_status, str(response.get("OriginalMessage", "")))
        if original_status == OVERLOADED_STATUS:
            return errors.ModelOverloadedError()
        return errors.ModelFailedError()
    if code == "ValidationError" and "not found" in str(response["Error"].get("Message", "")):
        return errors.EndpointMissingError()
    if code in _ERROR_BY_CODE:
        return _ERROR_BY_CODE[code]()
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _ERROR_BY_STATUS.get(status, errors.EndpointFailedError)()


def from_transport_error(error: BotoCoreError) -> errors.EndpointError:
    """Map an error that botocore raises when there is no response."""
    if is_timeout(error):
        return errors.EndpointTimeoutError()
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return errors.EndpointAccessDeniedError()
    return errors.EndpointUnreachableError()


def is_timeout(error: BotoCoreError) -> bool:
    """Return whether an error means that the endpoint did not accept or respond in time."""
    if isinstance(error, ConnectionClosedError):
        # urllib3 reports a timeout while the request is sent as a connection that was aborted.
        cause = error.__context__
        return cause is not None and any(isinstance(each, TimeoutError) for each in cause.args)
    return isinstance(error, ConnectTimeoutError | ReadTimeoutError)
