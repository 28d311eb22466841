"""Sends requests at their scheduled times, whether or not earlier ones have ended (open loop).

Runs in `.venvs/load`. The requests are locust's (its HTTP client on gevent); the schedule is not:
locust's users wait for the end of their own request before they start another, so a server that
becomes slow would be sent less, and the wait of those that were never sent would be missing.

Reads one line of JSON from standard input, as `tools.load.generator` writes it, and stops when its
standard input ends. Writes a line of JSON for each request: `[number, scheduled, started, ended,
status, body]`, times in seconds of the monotonic clock. `started` is null for a request that was
not started because too many were in flight; `status` is null for one without a response, and
`body` then says why. The body of a response is there only for one that is no 200.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from geventhttpclient.connectionpool import ConnectionPool
from locust.contrib.fasthttp import FastHttpSession
from locust.env import Environment

_OK = 200
_MAX_BODY_CHARACTERS = 2000
# For the requests in flight when the user stops the test.
_GRACE_SECONDS = 5.0
_UNFINISHED = "ended with the test before its response"

# Returns the headers of a request with the given media type and body.
Headers = Callable[[str, bytes], dict[str, str]]


def _send_at_once(_pool: ConnectionPool, connection: Any) -> None:
    """Do not wait with the end of a body until its beginning has arrived: 40 ms over TLS."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


ConnectionPool.after_connect = _send_at_once


def main() -> None:
    """Send what the plan says, then exit."""
    plan = json.loads(sys.stdin.readline())
    stopped = Event()
    watcher = gevent.get_hub().threadpool.spawn(_wait_for_end_of_input)
    watcher.rawlink(lambda _: stopped.set())
    images = [(Path(path).read_bytes(), kind) for path, kind in plan["images"]]
    Sender(plan, images, stopped).run()
    sys.stdout.flush()
    # Without a wait for the thread that reads standard input.
    os._exit(0)


class Sender:
    """Sends the requests of a plan.

    Args:
        plan: what `tools.load.generator.Generator` writes, read as JSON.
        images: bodies and their media types, sent in turn.
        stopped: is set when the user stops the test.
    """

    def __init__(
        self, plan: Mapping[str, Any], images: list[tuple[bytes, str]], stopped: Event
    ) -> None:
        self._plan = plan
        self._images = images
        self._stopped = stopped
        self._headers = _headers_of(plan)
        self._requests = Pool()
        self._session = FastHttpSession(
            base_url=None,
            request_event=Environment().events.request,
            user=None,
            insecure=False,
            ssl_context_factory=lambda: ssl.create_default_context(cafile=plan["certificates"]),
            concurrency=plan["max_in_flight"],
            connection_timeout=plan["timeout_seconds"],
            network_timeout=plan["timeout_seconds"],
            max_retries=0,
            max_redirects=0,
        )

    def run(self) -> None:
        """Send all requests; return when each has ended or the test was stopped."""
        rate = self._plan["rate"]
        begin = time.monotonic()
        for number in range(self._plan["requests"]):
            scheduled = begin + number / rate
            # Also without a wait: the requests in flight need a turn.
            gevent.sleep(max(0.0, scheduled - time.monotonic()))
            if self._stopped.is_set():
                break
            if len(self._requests) >= self._plan["max_in_flight"]:
                _write(number, scheduled, None, time.monotonic(), None, "too many in flight")
                continue
            self._requests.spawn(self._send, number, scheduled)
        ended = gevent.spawn(self._requests.join)
        gevent.wait([ended, self._stopped], count=1)
        if not ended.ready():
            ended.join(timeout=_GRACE_SECONDS)
            self._requests.kill()

    def _send(self, number: int, scheduled: float) -> None:
        body, kind = self._images[number % len(self._images)]
        started = time.monotonic()
        status, text = None, _UNFINISHED
        seconds = self._plan["timeout_seconds"]
        timeout = gevent.Timeout.start_new(seconds)
        try:
            headers = self._headers(kind, body)
            response = self._session.request("POST", self._plan["url"], data=body, headers=headers)
            status, text = _outcome(response)
        except gevent.Timeout:
            text = ""
        finally:
            timeout.close()
            ended = time.monotonic()
            # The HTTP client also turns the timeout into an error of its own.
            if status is None and ended - started >= seconds:
                text = f"no response within {seconds:g} s"
            _write(number, scheduled, started, ended, status, text)


def _outcome(response: Any) -> tuple[int | None, str]:
    if not response.status_code:
        error = getattr(response.error, "original", response.error)
        return None, f"{type(error).__name__}: {error}"
    if response.status_code == _OK:
        return _OK, ""
    content = response.content or b""
    return response.status_code, content.decode(errors="replace")[:_MAX_BODY_CHARACTERS]


def _headers_of(plan: Mapping[str, Any]) -> Headers:
    region = plan["region"]
    if region is None:
        return lambda kind, _: {**plan["headers"], "Content-Type": kind}
    # Imported for the endpoint alone. The credentials are renewed when they expire.
    import botocore.session
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    credentials = botocore.session.Session().get_credentials()
    if credentials is None:
        sys.exit("No AWS credentials for requests to the endpoint.")

    def sign(kind: str, body: bytes) -> dict[str, str]:
        headers = {**plan["headers"], "Content-Type": kind}
        request = AWSRequest("POST", plan["url"], data=body, headers=headers)
        SigV4Auth(credentials, "sagemaker", region).add_auth(request)
        return dict(request.headers.items())

    return sign


def _write(
    number: int,
    scheduled: float,
    started: float | None,
    ended: float,
    status: int | None,
    body: str,
) -> None:
    print(json.dumps([number, scheduled, started, ended, status, body]), flush=True)


def _wait_for_end_of_input() -> None:
    while os.read(0, 1024):
        pass


if __name__ == "__main__":
    main()
