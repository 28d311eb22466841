from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from classifier_proxy.errors import EndpointThrottledError, RequestError
from classifier_proxy.observability.watching import WatchedEndpoint

if TYPE_CHECKING:
    from classifier_proxy.requests import ClassificationRequest
    from classifier_proxy.service import Endpoint

_DOCUMENT_HEADER = b'{"format": "json", "version": 1}\n'


def trace(endpoint: Endpoint, endpoint_name: str, environment: Mapping[str, str]) -> Endpoint:
    """Record each call of the endpoint in X-Ray, where there is an X-Ray to send to.

    Lambda records the request itself. The X-Ray SDK would add the calls, but it doubles the time
    of a cold start and has been in maintenance since February 2026.

    Args:
        endpoint: what does the work.
        endpoint_name: its name, for the trace.
        environment: the process's environment variables. Lambda names the X-Ray daemon in
            AWS_XRAY_DAEMON_ADDRESS; a machine that does not has none.

    Returns:
        The endpoint, traced or as it was.
    """
    daemon, _, port = environment.get("AWS_XRAY_DAEMON_ADDRESS", "").rpartition(":")
    if not daemon or not port.isdecimal():
        return endpoint
    tracer = _Tracer(endpoint_name, environment, (daemon, int(port)))
    return WatchedEndpoint(endpoint, tracer.watch)


class _Tracer:
    """Makes a subsegment of the request's trace of each call.

    Documents as in "Sending trace data to X-Ray with UDP" and "Segment documents" of the X-Ray
    developer guide. A document holds times and kinds of failure, nothing of the caller's.

    Args:
        endpoint_name: the endpoint's name.
        environment: the process's variables: Lambda sets `_X_AMZN_TRACE_ID` anew each time.
        daemon: host and port of the X-Ray daemon.
    """

    def __init__(
        self, endpoint_name: str, environment: Mapping[str, str], daemon: tuple[str, int]
    ) -> None:
        self._endpoint_name = endpoint_name
        self._environment = environment
        self._daemon = daemon

    @contextlib.contextmanager
    def watch(self, _request: ClassificationRequest) -> Iterator[None]:
        """Record a call, and how it failed if it did."""
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
        # A trace that is lost is no reason to fail a request.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            sender.sendto(_DOCUMENT_HEADER + json.dumps(document).encode(), self._daemon)
