"""The error codes of the model server and the HTTP status of each."""

from __future__ import annotations

from typing import Final

STATUS_BY_CODE: Final = {
    "empty_body": 400,
    "invalid_request": 400,
    "invalid_top_k": 400,
    "invalid_order": 400,
    "invalid_scores": 400,
    "logits_unavailable": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "body_timeout": 408,
    "payload_too_large": 413,
    "image_too_large": 413,
    "unsupported_media_type": 415,
    "unsupported_image": 415,
    "unreadable_image": 422,
    "internal_error": 500,
    "overloaded": 503,
    "not_healthy": 503,
}

# The errors that another image would not have had. A batch job writes them to the image's output.
ABOUT_THE_IMAGE: Final = frozenset(
    {
        "empty_body",
        "invalid_request",
        "payload_too_large",
        "image_too_large",
        "unsupported_image",
        "unreadable_image",
    }
)


class RequestError(Exception):
    """A request that fails because of its content or the state of the server.

    Attributes:
        code: a key of `STATUS_BY_CODE`.
        message: for the caller; says what was wrong and what was expected.
        retry_after_seconds: when to retry, where a retry can succeed.
    """

    def __init__(self, code: str, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS_BY_CODE[self.code]
