"""The metrics that AWS records by itself: of functions, of REST APIs, and EMF log lines.

MiniStack emits those of directly invoked functions only.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ministack.services import apigateway_v1, cloudwatch, lambda_svc

_EMF = '"_aws"'


def install_function_metrics() -> None:
    """Record the metrics of each invocation and of each request to a REST API."""
    lambda_svc._emit_lambda_logs = _with_emf(lambda_svc._emit_lambda_logs)
    apigateway_v1._call_lambda_raw = _measured(apigateway_v1._call_lambda_raw)
    lambda_svc._emit_lambda_metrics = _emit_function_metrics
    apigateway_v1._handle_execute_in_scope = _counted(apigateway_v1._handle_execute_in_scope)


def _with_emf(original: Callable[..., None]) -> Callable[..., None]:
    def emit(function: Any, request_id: str, log_text: str, *rest: Any, **options: Any) -> None:
        for namespace, name, value, unit, dimensions in emf_samples(log_text or ""):
            cloudwatch.record_metric(namespace, name, value, unit, dict(dimensions))
        original(function, request_id, log_text, *rest, **options)

    return emit


def emf_samples(log_text: str) -> Iterator[tuple[str, str, float, str, Mapping[str, str]]]:
    """Yield namespace, name, value, unit and dimensions of each metric in embedded metric format.

    Source: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
    CloudWatch_Embedded_Metric_Format_Specification.html. A line that does not follow it has none.
    """
    for line in log_text.splitlines():
        if _EMF not in line:
            continue
        try:
            document = json.loads(line)
            directives = document["_aws"]["CloudWatchMetrics"]
            yield from [
                sample for directive in directives for sample in _of_directive(directive, document)
            ]
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue


def _of_directive(
    directive: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[tuple[str, str, float, str, Mapping[str, str]]]:
    for names in directive["Dimensions"]:
        dimensions = {name: str(document[name]) for name in names}
        for metric in directive["Metrics"]:
            given = document.get(metric["Name"], [])
            for value in given if isinstance(given, list) else [given]:
                if not math.isfinite(value):
                    continue
                yield (
                    directive["Namespace"],
                    metric["Name"],
                    float(value),
                    metric.get("Unit", "None"),
                    dimensions,
                )


def _measured(original: Callable[..., Any]) -> Callable[..., Any]:
    async def call(function: str, event: dict[str, Any], **options: Any) -> Any:
        started = time.perf_counter()
        response = await original(function, event, **options)
        result = response[0] or {}
        _emit_function_metrics(
            function,
            (time.perf_counter() - started) * 1000,
            bool(result.get("error")),
            bool(result.get("throttle")),
        )
        return response

    return call


def _emit_function_metrics(function: str, duration_ms: float, error: bool, throttle: bool) -> None:
    """Record an invocation by function and by the version or alias at the end of its ARN."""
    name, _, qualifier = function.rpartition(":function:")[2].partition(":")
    by_function = {"FunctionName": name}
    resources = [by_function]
    if qualifier:
        resources.append(by_function | {"Resource": f"{name}:{qualifier}"})
    for dimensions in resources:
        record = cloudwatch.record_metric
        record("AWS/Lambda", "Throttles", float(throttle), "Count", dimensions)
        if throttle:
            continue
        record("AWS/Lambda", "Invocations", 1.0, "Count", dimensions)
        record("AWS/Lambda", "Errors", float(error), "Count", dimensions)
        record("AWS/Lambda", "Duration", duration_ms, "Milliseconds", dimensions)


def _counted(original: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(api_id: str, stage: str, *rest: Any) -> Any:
        started = time.perf_counter()
        response = await original(api_id, stage, *rest)
        api = apigateway_v1._rest_apis.get(api_id)
        if api is not None:
            _record_request(api["name"], stage, response[0], time.perf_counter() - started)
        return response

    return handle


def _record_request(api_name: str, stage: str, status: int, seconds: float) -> None:
    by_api = {"ApiName": api_name}
    for dimensions in (by_api, by_api | {"Stage": stage}):
        record = cloudwatch.record_metric
        record("AWS/ApiGateway", "Count", 1.0, "Count", dimensions)
        record("AWS/ApiGateway", "Latency", seconds * 1000, "Milliseconds", dimensions)
        record("AWS/ApiGateway", "4XXError", float(400 <= status < 500), "Count", dimensions)
        record("AWS/ApiGateway", "5XXError", float(status >= 500), "Count", dimensions)
