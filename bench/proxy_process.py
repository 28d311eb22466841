"""One measured process: a handler's start and first call, or its warm calls beside bare ones."""

import contextlib
import importlib
import io
import json
import os
import sys
import time
from typing import Any

# A frame header of 640 x 480 grey pixels; nobody decodes what follows.
PICTURE = b"\xff\xd8\xff\xc0\0\x0b\x08\x01\xe0\x02\x80\x01\x01\x11\0" + bytes(range(256)) * 400
"""A JPEG of 100 KB as far as the proxy looks at it."""


def main() -> None:
    """Measure what the arguments name, and print the figures as one JSON line.

    Arguments: the handler's module, and how many warm calls.
    """
    module_name, warm_calls = sys.argv[1], int(sys.argv[2])
    started, started_cpu = time.perf_counter(), time.process_time()
    handle = importlib.import_module(module_name).handle
    figures: dict[str, Any] = {
        "start_ms": (time.perf_counter() - started) * 1000,
        "start_cpu_ms": (time.process_time() - started_cpu) * 1000,
    }
    # After what is measured: they are the bench's, not the function's.
    from tests.lambda_src.events import LambdaContext, proxy_event

    event, context = proxy_event(PICTURE), LambdaContext()
    with contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        answer = handle(event, context)
        figures["first_call_ms"] = (time.perf_counter() - started) * 1000
        assert answer["statusCode"] == 200, answer  # noqa: S101 - else nothing was measured
        figures |= _warm(handle, event, context, warm_calls) if warm_calls else {}
    print(json.dumps(figures))


def _warm(handle: Any, event: dict[str, Any], context: object, calls: int) -> dict[str, Any]:
    import boto3

    client = boto3.client("sagemaker-runtime")
    name = os.environ["ENDPOINT_NAME"]

    def bare() -> None:
        client.invoke_endpoint(EndpointName=name, Body=PICTURE, ContentType="image/jpeg")[
            "Body"
        ].read()

    times: dict[str, list[float]] = {"handler_ms": [], "bare_ms": []}
    for number in range(calls):
        # In turn, so that what else the machine does meets both alike.
        for key in sorted(times, reverse=number % 2 == 0):
            started = time.perf_counter()
            handle(event, context) if key == "handler_ms" else bare()
            times[key].append((time.perf_counter() - started) * 1000)
    return times


if __name__ == "__main__":
    main()
