from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from classifier_proxy.errors import EndpointThrottledError, RequestError

_DOCUMENT_HEADER = b'{"format": "json", "version": 1}\n'


def create_tracer(endpoint_name: str, environment: Mapping[str, str]) -> Tracer | None:
    """Return a tracer, or None where there is no X-Ray daemon.

    Lambda traces the request itself. The X-Ray SDK would add the invocations, but it doubles the
    time of a cold start and has been in maintenance since February 2026.

    Args:
        endpoint_name: the endpoint's name, for the trace.
        environment: the process's environment variables; Lambda sets AWS_XRAY_DAEMON_ADDRESS.
    """
    daemon, _, port = environment.get("AWS_XRAY_DAEMON_ADDRESS", "").rpartition(":")
    if not daemon or not port.isdecimal():
        return None
    return Tracer(endpoint_name, environment, (daemon, int(port)))


class Tracer:
    """Adds a subsegment to the request's trace for each invocation of the endpoint.

    Documents follow "Sending trace data to X-Ray with UDP" and "Segment documents" in the X-Ray
    developer guide. They hold times and kinds of failure, and no data of the caller.

    Args:
        endpoint_name: the endpoint's name.
        environment: the process's variables: Lambda sets `_X_AMZN_TRACE_ID` for each request.
        daemon: host and port of the X-Ray daemon.
    """

    def __init__(
        self, endpoint_name: str, environment: Mapping[str, str], daemon: tuple[str, int]
    ) -> None:
        self._endpoint_name = endpoint_name
        self._environment = environment
        self._daemon = daemon

    @contextlib.contextmanager
    def trace(self) -> Iterator[None]:
        """Record an invocation and its kind of failure."""
        started = time.time()
        try:
            yield
        except Exception as error:
            throttled = isinstance(error, EndpointThrottledError)
            ours = throttled or isinstance(error, RequestError)
            self._record(started, {"throttle": throttled, "error": ours, "fault": not ours})
            raise
        self._record(started, {})

    def _record(self, started: float, outcome: Mapping[str, bool]) -> None:
        header = self._environment.get("_X_AMZN_TRACE_ID", "")
        parts = dict(part.strip().partition("=")[::2] for part in header.split(";"))
        if parts.get("Sampled") != "1":
            return
        document: dict[str, Any] = {
            "type": "subsegment",
            "id": secrets.token_hex(8),
            "trace_id": parts.get("Root"),
            "parent_id": parts.get("Parent"),
            "name": "SageMaker",
            "namespace": "aws",
            "aws": {"operation": "InvokeEndpoint", "endpoint_name": self._endpoint_name},
            "start_time": started,
            "end_time": time.time(),
            **outcome,
        }
        # A lost trace must not fail the request.
        with (
            contextlib.suppress(OSError, OverflowError),  # the latter for a port that is too high
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            sender.sendto(_DOCUMENT_HEADER + json.dumps(document).encode(), self._daemon)
