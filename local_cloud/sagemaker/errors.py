"""Errors of the emulated services."""

from typing import Any


class AwsError(Exception):
    """An error response, which AWS SDKs raise as a ClientError.

    Args:
        code: the error code, for example `ValidationException`.
        message: the error message.
        status: the HTTP status.
        fields: further members of the error's body, for example `OriginalStatusCode`.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


def validation_error(message: str) -> AwsError:
    """Return SageMaker's error for an invalid request."""
    return AwsError("ValidationException", message)


class HostingError(Exception):
    """A deployment failed, such as an instance that did not start; becomes the FailureReason."""
