"""The errors that API Gateway returns itself: for the API, the documents and the page."""

from dataclasses import dataclass

from classifier_proxy import errors


@dataclass(frozen=True, kw_only=True)
class GatewayError:
    """The response to one kind of API Gateway error.

    Attributes:
        kind: API Gateway's response type.
        code: error code in snake_case; the proxy's code for the same error, if it has one.
        message: sentence for people.
        status: HTTP status; None keeps API Gateway's.
        retry_after_seconds: value of the Retry-After header; None: no header.
    """

    kind: str
    code: str
    message: str
    status: int | None
    retry_after_seconds: int | None = None


GATEWAY_ERRORS = (
    # A status here would also replace the status of every error that has no row of its own.
    GatewayError(
        kind="DEFAULT_4XX",
        status=None,
        code="request_rejected",
        message="The request is not valid.",
    ),
    GatewayError(
        kind="DEFAULT_5XX",
        status=None,
        code=errors.InternalError.code,
        message=errors.InternalError.message,
    ),
    GatewayError(
        kind="ACCESS_DENIED",
        status=403,
        code="address_not_allowed",
        message="This API does not accept requests from your address.",
    ),
    GatewayError(
        kind="INVALID_API_KEY",
        status=403,
        code="invalid_api_key",
        message="The API key is missing or not valid. Send it in the header x-api-key.",
    ),
    GatewayError(
        kind="MISSING_AUTHENTICATION_TOKEN",
        status=403,
        code=errors.RouteNotFoundError.code,
        message=errors.RouteNotFoundError.message,
    ),
    GatewayError(
        kind="WAF_FILTERED",
        status=403,
        code="blocked_by_firewall",
        message="The firewall blocked this request: too many from your address in a minute, no "
        "User-Agent header, or something in it that looks like an attack.",
    ),
    GatewayError(
        kind="REQUEST_TOO_LARGE",
        status=413,
        code=errors.PayloadTooLargeError.code,
        message="The request has too many bytes. Send a smaller image.",
    ),
    GatewayError(
        kind="THROTTLED",
        status=429,
        code=errors.EndpointThrottledError.code,
        message=errors.EndpointThrottledError.message,
        retry_after_seconds=errors.EndpointThrottledError.retry_after_seconds,
    ),
    GatewayError(
        kind="QUOTA_EXCEEDED",
        status=429,
        code="quota_exceeded",
        message="The API key's requests of today are used up.",
        retry_after_seconds=3600,
    ),
    # Also for a function whose concurrency is used up, which would be a 500 without this row.
    GatewayError(
        kind="INTEGRATION_FAILURE",
        status=503,
        code="integration_failure",
        message="The API has too many requests at once, or its function could not be invoked. Try "
        "again in a moment.",
        retry_after_seconds=1,
    ),
    GatewayError(
        kind="INTEGRATION_TIMEOUT",
        status=504,
        code="integration_timeout",
        message="The API did not respond in time.",
    ),
)
"""One row for each error. API Gateway's 413 above 10 MB is plain text and cannot be changed."""
