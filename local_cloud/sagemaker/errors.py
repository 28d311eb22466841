"""Errors as SageMaker's clients see them."""

from typing import Any


class AwsError(Exception):
    """An answer with an error code, as an AWS SDK raises it.

    Args:
        code: the error code, for example `ValidationException`.
        message: the text for the caller.
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
    """Return SageMaker's answer to a request that cannot be carried out as it stands."""
    return AwsError("ValidationException", message)


class HostingError(Exception):
    """An instance or its model could not be started; the text becomes the FailureReason."""
