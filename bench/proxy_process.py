"""One measured process: a handler's start and first invocation, or its warm invocations."""

import contextlib
import importlib
import io
import json
import os
import sys
import time
from typing import Any, Final

# A frame header of 640 x 480 grey pixels, and bytes that nothing decodes: 100 KB.
_JPEG: Final = b"\xff\xd8\xff\xc0\0\x0b\x08\x01\xe0\x02\x80\x01\x01\x11\0" + bytes(range(256)) * 400


def main() -> None:
    """Print the figures as one line of JSON.

    Arguments: the handler's module, the number of warm invocations.
    """
    module_name, warm_invocations = sys.argv[1], int(sys.argv[2])
    started, started_cpu = time.perf_counter(), time.process_time()
    handle = importlib.import_module(module_name).handle
    figures: dict[str, Any] = {
        "start_ms": (time.perf_counter() - started) * 1000,
        "start_cpu_ms": (time.process_time() - started_cpu) * 1000,
    }
    # Only now, because these are not part of the function's start.
    from tests.lambda_src.events import LambdaContext, proxy_event

    event, context = proxy_event(_JPEG), LambdaContext()
    with contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        response = handle(event, context)
        figures["first_ms"] = (time.perf_counter() - started) * 1000
        assert response["statusCode"] == 200, response  # noqa: S101 - else nothing was measured
        if warm_invocations:
            figures |= _warm(lambda: handle(event, context), warm_invocations)
    print(json.dumps(figures))


def _warm(handle: Any, count: int) -> dict[str, list[float]]:
    import boto3

    client = boto3.client("sagemaker-runtime")
    request = {"EndpointName": os.environ["ENDPOINT_NAME"], "ContentType": "image/jpeg"}
    actions = {
        "handler_ms": handle,
        "bare_ms": lambda: client.invoke_endpoint(Body=_JPEG, **request)["Body"].read(),
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(count):
        # In turn, so that other work of the machine slows both alike.
        for name in sorted(actions, reverse=number % 2 == 0):
            started = time.perf_counter()
            actions[name]()
            times[name].append((time.perf_counter() - started) * 1000)
    return times


if __name__ == "__main__":
    main()
