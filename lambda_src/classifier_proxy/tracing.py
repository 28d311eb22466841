from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Tracer

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def trace(handler: Handler, service_name: str, environment: Mapping[str, str]) -> Handler:
    """Record each request and its calls of AWS in X-Ray, where there is an X-Ray to send to.

    The one place that knows how: the X-Ray SDK under Powertools' Tracer has been in maintenance
    since February 2026 and will have to be replaced.

    Args:
        handler: a Lambda handler.
        service_name: annotation of every trace.
        environment: the process's environment variables. Lambda names the X-Ray daemon in
            AWS_XRAY_DAEMON_ADDRESS; a machine that does not has none, and then the SDK, which
            costs start time and leaves a file in /tmp, is not even loaded.

    Returns:
        The handler, traced or as it was.
    """
    if "AWS_XRAY_DAEMON_ADDRESS" not in environment:
        return handler
    tracer = Tracer(service=service_name, patch_modules=["botocore"])
    # Answers are not kept with traces: they are the caller's.
    traced: Handler = tracer.capture_lambda_handler(handler, capture_response=False)
    return traced
