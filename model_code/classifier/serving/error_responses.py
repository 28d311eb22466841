"""Errors -> answers: `{"code", "message"}` with the code's status."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from classifier.errors import RequestError

_CODE_BY_HTTP_STATUS: Final = {404: "not_found", 405: "method_not_allowed"}


def answer_request_error(error: RequestError) -> JSONResponse:
    """Answer with the error's status and `{"code", "message"}`."""
    seconds = error.retry_after_seconds
    headers = None if seconds is None else {"Retry-After": str(seconds)}
    return JSONResponse({"code": error.code, "message": error.message}, error.status, headers)


async def answer_http_exception(_request: Request, error: Exception) -> Response:
    """Answer what the router refuses, an unknown path or method, in the same shape."""
    if not isinstance(error, HTTPException):
        raise error
    code = _CODE_BY_HTTP_STATUS[error.status_code]
    return JSONResponse({"code": code, "message": error.detail}, error.status_code, error.headers)


async def answer_fault(_request: Request, _error: Exception) -> Response:
    """Answer a fault of ours; its reason goes to the log, not to the caller."""
    return answer_request_error(
        RequestError("internal_error", "The image could not be classified.")
    )
