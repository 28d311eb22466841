"""API Gateway's errors for a request that is too large and a function that fails or times out.

MiniStack forwards requests of any size, waits without a limit, and responds to a function's
failure with its own message instead of the API's gateway responses.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from ministack.services import apigateway_v1

# "Amazon API Gateway endpoints and quotas": payload size; "Lambda quotas": synchronous invocation.
_MAX_REQUEST_BYTES = 10 * 1024 * 1024
_MAX_EVENT_BYTES = 6 * 1024 * 1024

Response = tuple[int, dict[str, Any], bytes]
Execute = Callable[..., Any]


class _FunctionError(Exception):
    """Carries a response or a gateway error through MiniStack code that would replace it."""

    def __init__(self, outcome: Any) -> None:
        super().__init__()
        self.outcome = outcome


def install_function_integration() -> None:
    """Apply API Gateway's and Lambda's limits and errors to functions behind REST APIs."""
    apigateway_v1._execute_in_scope = _refusing_long_requests(apigateway_v1._execute_in_scope)
    apigateway_v1._call_lambda_raw = _refusing_long_events(apigateway_v1._call_lambda_raw)
    apigateway_v1._lambda_proxy_response = _naming_failures(apigateway_v1._lambda_proxy_response)
    apigateway_v1._invoke_lambda_proxy_v1 = _in_time(apigateway_v1._invoke_lambda_proxy_v1)
    apigateway_v1._gateway_error_response = _with_own_status(apigateway_v1._gateway_error_response)


def _refusing_long_requests(original: Execute) -> Execute:
    async def execute(
        request: Any, api_id: str, stage: str, method: str, path: str, headers: Any, body: bytes,
        *rest: Any,
    ) -> Any:  # fmt: skip
        if len(body) > _MAX_REQUEST_BYTES:
            text = f"HTTP content length exceeded {_MAX_REQUEST_BYTES} bytes."
            return 413, {"Content-Type": "text/plain"}, text.encode()
        return await original(request, api_id, stage, method, path, headers, body, *rest)

    return execute


def _refusing_long_events(original: Execute) -> Execute:
    async def call(function: str, event: dict[str, Any], **options: Any) -> Any:
        if len(json.dumps(event)) > _MAX_EVENT_BYTES:
            body = json.dumps({"message": "Request Too Long"}).encode()
            raise _FunctionError((413, {"Content-Type": "application/json"}, body))
        return await original(function, event, **options)

    return call


def _naming_failures(original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def read(result: dict[str, Any]) -> Any:
        if result.get("throttle"):
            # The caller does not see Lambda's 429. Reported for REST APIs: it is this response if
            # the API sets it (without it, a 500).
            raise _FunctionError(apigateway_v1._GatewayError("INTEGRATION_FAILURE", None))
        if result.get("error"):
            error = apigateway_v1._GatewayError("DEFAULT_5XX", "Internal server error")
            error.status = 502
            raise _FunctionError(error)
        return original(result)

    return read


def _in_time(original: Execute) -> Execute:
    async def invoke(integration: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        invocation = asyncio.ensure_future(original(integration, *arguments, **options))
        seconds = int(integration["timeoutInMillis"]) / 1000
        # Not cancelled after the timeout: the function continues, as on AWS.
        ended, _ = await asyncio.wait({invocation}, timeout=seconds)
        if not ended:
            return apigateway_v1._GatewayError("INTEGRATION_TIMEOUT", "Endpoint request timed out")
        try:
            return invocation.result()
        except _FunctionError as error:
            return error.outcome

    return invoke


def _with_own_status(original: Callable[..., Response]) -> Callable[..., Response]:
    def response(error: Any, request: dict[str, Any]) -> Response:
        status, headers, body = original(error, request)
        # MiniStack gives all errors of a gateway response the same status; on AWS each error keeps
        # its own.
        return getattr(error, "status", status), headers, body

    return response
