"""Every error of the API: the rows of docs/errors.md and of the OpenAPI document."""

from typing import NamedTuple

from classifier_proxy import errors
from stacks.components.api.gateway_errors import GATEWAY_ERRORS

PREDICT, UPLOADS, HEALTH = "predict", "uploads", "health"

# "Gateway response types for API Gateway" in its developer guide: the statuses of kinds without
# their own row, for each class, and the 502 of a function that was stopped or throttled.
_STATUSES_OF_CLASS = {"DEFAULT_4XX": (400, 403, 404), "DEFAULT_5XX": (500, 502, 503)}
# Health requests have no API key.
_KINDS_WITH_KEY = {"INVALID_API_KEY", "QUOTA_EXCEEDED"}
_WITH_KEY = frozenset({PREDICT, UPLOADS})
# The proxy's errors that another operation than POST /predict can return.
_OPERATIONS: dict[type[errors.ProxyError], frozenset[str]] = {
    errors.InternalError: _WITH_KEY | {HEALTH},
    errors.EndpointNotInServiceError: frozenset({HEALTH}),
    errors.EndpointPausedError: frozenset({PREDICT, HEALTH}),
    errors.EmptyBodyError: _WITH_KEY,
    errors.InvalidJsonError: _WITH_KEY,
    errors.InvalidRequestError: _WITH_KEY,
    errors.PayloadTooLargeError: _WITH_KEY,
    errors.UnsupportedMediaTypeError: _WITH_KEY,
    errors.UploadsAccessDeniedError: _WITH_KEY,
    errors.UploadsUnavailableError: _WITH_KEY,
}


class Row(NamedTuple):
    """One error of one source.

    Attributes:
        status: HTTP status.
        code: snake_case name of the error.
        source: the component that returns it.
        meaning: sentence for people.
        retry_after_seconds: value of the Retry-After header; None: no header.
        operations: the operations that can return it.
        members: members of the response body besides the error, by name.
        retry_after_varies: whether each response has its own value; that of the row is the maximum.
    """

    status: int
    code: str
    source: str
    meaning: str
    retry_after_seconds: int | None
    operations: frozenset[str]
    members: tuple[tuple[str, str], ...] = ()
    retry_after_varies: bool = False


def error_rows() -> list[Row]:
    """Return every error, by status, code and source."""
    rows = {*_proxy_rows(), *_gateway_rows(), *_model_server_rows()}
    return sorted(rows, key=lambda row: row[:3])


def _proxy_rows() -> list[Row]:
    return [
        Row(
            error.status,
            error.code,
            "proxy",
            error.message,
            error.retry_after_seconds,
            _OPERATIONS.get(error, frozenset({PREDICT})),
            tuple(error.members.items()),
            error.retry_after_varies,
        )
        for error in errors.error_classes()
    ]


def _gateway_rows() -> list[Row]:
    return [
        Row(
            status,
            error.code,
            "API Gateway",
            error.message,
            error.retry_after_seconds,
            _WITH_KEY if error.kind in _KINDS_WITH_KEY else _WITH_KEY | {HEALTH},
        )
        for error in GATEWAY_ERRORS
        for status in (_STATUSES_OF_CLASS[error.kind] if error.status is None else (error.status,))
    ]


def _model_server_rows() -> list[Row]:
    rows = {
        (status, code): "what the message says"
        for status, codes in errors.MODEL_REJECTIONS.items()
        for code in codes
    }
    # From another container than Whippet's, or one whose error is not as documented.
    rejection = errors.ModelRejectionError
    rows |= {(status, rejection.code): rejection.message for status in errors.MODEL_REJECTIONS}
    return [
        Row(status, code, "model server", meaning, None, frozenset({PREDICT}))
        for (status, code), meaning in rows.items()
    ]
