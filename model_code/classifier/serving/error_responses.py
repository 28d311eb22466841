"""Responses to errors: `{"code", "message"}` with the code's status."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from classifier.errors import RequestError

_CODE_BY_HTTP_STATUS: Final = {404: "not_found", 405: "method_not_allowed"}


def error_response(error: RequestError) -> JSONResponse:
    """Return `{"code", "message"}` with the error's status, and Retry-After where it has one."""
    seconds = error.retry_after_seconds
    headers = None if seconds is None else {"Retry-After": str(seconds)}
    return JSONResponse({"code": error.code, "message": error.message}, error.status, headers)


def error_record(error: RequestError) -> JSONResponse:
    """Return `{"error": {"code", "message"}}` with 200: the output of an image of a batch job."""
    return JSONResponse({"error": {"code": error.code, "message": error.message}})


async def http_exception_response(_request: Request, error: Exception) -> Response:
    """Return a response of the same form for an unknown path or method."""
    if not isinstance(error, HTTPException):
        raise error
    code = _CODE_BY_HTTP_STATUS[error.status_code]
    return JSONResponse({"code": code, "message": error.detail}, error.status_code, error.headers)


async def unexpected_error_response(_request: Request, _error: Exception) -> Response:
    """As `internal_error_response`."""
    return internal_error_response()


def internal_error_response() -> JSONResponse:
    """Return 500 for an unexpected error; only the log contains its reason."""
    return error_response(RequestError("internal_error", "The image could not be classified."))
