"""Every error that a caller of the API can get: the rows of docs/errors.md and the document's."""

from typing import NamedTuple

from classifier_proxy import errors
from classifier_proxy.error_table import (
    ERROR_TABLE,
    INTERNAL_ERROR,
    MODEL_REJECTIONS,
    REJECTED_BY_MODEL,
)
from stacks.components.api.gateway_responses import GATEWAY_ERRORS

PREDICT, HEALTH = "predict", "health"

# "Gateway response types for API Gateway" in its developer guide: the statuses of the kinds of
# each class that have no row of their own, and the 502 of a function that was stopped or throttled.
_STATUSES_OF_CLASS = {"DEFAULT_4XX": (400, 403, 404), "DEFAULT_5XX": (500, 502, 503)}
# What these check is in no request of the health.
_KINDS_OF_PREDICT = {"INVALID_API_KEY", "QUOTA_EXCEEDED"}


class Row(NamedTuple):
    """One error of one answerer.

    Attributes:
        status: HTTP status.
        code: snake_case name of the error.
        source: who answers it.
        meaning: sentence for people.
        retry_after_seconds: value of the Retry-After header; None: no such header.
        operations: the operations that can answer it.
        members: what the body says beside the error, by name.
    """

    status: int
    code: str
    source: str
    meaning: str
    retry_after_seconds: int | None
    operations: frozenset[str]
    members: tuple[tuple[str, str], ...] = ()


def error_rows() -> list[Row]:
    """Return every error, by status, code and source."""
    rows = {*_proxy_rows(), *_gateway_rows(), *_model_server_rows()}
    return sorted(rows, key=lambda row: row[:3])


def _proxy_rows() -> list[Row]:
    rows = [
        Row(
            answer.status,
            answer.code,
            "proxy",
            answer.message,
            answer.retry_after_seconds,
            frozenset({HEALTH if error is errors.EndpointNotInServiceError else PREDICT}),
            tuple(answer.members.items()),
        )
        for error, answer in ERROR_TABLE.items()
    ]
    rows.append(
        Row(
            INTERNAL_ERROR.status,
            INTERNAL_ERROR.code,
            "proxy",
            INTERNAL_ERROR.message,
            None,
            frozenset({PREDICT, HEALTH}),
        )
    )
    return rows


def _gateway_rows() -> list[Row]:
    return [
        Row(
            status,
            error.code,
            "API Gateway",
            error.message,
            error.retry_after_seconds,
            frozenset({PREDICT} if error.kind in _KINDS_OF_PREDICT else {PREDICT, HEALTH}),
        )
        for error in GATEWAY_ERRORS
        for status in (_STATUSES_OF_CLASS[error.kind] if error.status is None else (error.status,))
    ]


def _model_server_rows() -> list[Row]:
    rows = {
        (status, code): "what the message says"
        for status, codes in MODEL_REJECTIONS.items()
        for code in codes
    }
    # A container that is not ours may refuse with another code, or say nothing of use.
    code, message = REJECTED_BY_MODEL
    rows |= {(status, code): message for status in MODEL_REJECTIONS}
    return [
        Row(status, code, "model server", meaning, None, frozenset({PREDICT}))
        for (status, code), meaning in rows.items()
    ]
