"""One id for each request to a REST API, and its line in the access log.

MiniStack gives a request one id in the function's event, another one in the response's header and
a third one in its gateway responses. On AWS all three are `$context.requestId`.
"""

import json
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ministack.services import apigateway_v1

_HEADER = "x-amzn-requestid"
_MAX_PATH_CHARACTERS = 500

_request_id: ContextVar[str] = ContextVar("request_id")
_log = logging.getLogger("local_cloud.access")


def install_request_ids(access_log: Path) -> None:
    """Use one id for a request, and log each request.

    Args:
        access_log: file for one JSON object a request; MiniStack ignores a stage's access log.
    """
    handler = logging.FileHandler(access_log)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False
    apigateway_v1._handle_execute_in_scope = _logged(apigateway_v1._handle_execute_in_scope)
    apigateway_v1._execute_in_scope = _with_header(apigateway_v1._execute_in_scope)
    apigateway_v1._build_lambda_event_v1 = _with_id(apigateway_v1._build_lambda_event_v1)


def _logged(original: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(api_id: str, stage: str, method: str, path: str, *rest: Any) -> Any:
        started = time.perf_counter()
        status, headers, body = await original(api_id, stage, method, path, *rest)
        # The names are those of the stage's own format.
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": headers.get(_HEADER),
            "method": method,
            "resource": path[:_MAX_PATH_CHARACTERS],
            "status": status,
            "latency_ms": round((time.perf_counter() - started) * 1000),
            "response_bytes": len(body),
        }
        _log.info(json.dumps(line))
        return status, headers, body

    return handle


def _with_header(original: Callable[..., Any]) -> Callable[..., Any]:
    async def execute(request: dict[str, Any], *rest: Any) -> Any:
        _request_id.set(request["request_id"])
        response = await original(request, *rest)
        if not isinstance(response, tuple):
            return response  # an error, whose gateway response has the header
        status, headers, body = response
        return status, {**headers, _HEADER: request["request_id"]}, body

    return execute


def _with_id(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def build(*arguments: Any, **options: Any) -> dict[str, Any]:
        event = original(*arguments, **options)
        event["requestContext"]["requestId"] = _request_id.get()
        return event

    return build
