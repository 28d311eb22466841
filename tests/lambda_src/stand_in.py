"""A stand-in for SageMaker's runtime that speaks its wire protocol on the loopback interface.

The real botocore client talks to it, so timeouts, retries, signing and error parsing are the real
ones. Protocol: `sagemaker-runtime` in botocore's service model (rest-json, InvokeEndpoint).
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler], None]

CLASSIFICATION: dict[str, Any] = {
    "predictions": [
        {"label": "tabby cat", "index": 281, "probability": 0.75},
        {"label": "tiger cat", "index": 282, "probability": 0.125},
    ],
    "model": {"name": "resnet50", "version": "0123456789ab"},
}
MEASUREMENTS = {"entropy": 0.75, "brightness": 0.5, "sharpness": 0.0625}


@dataclass(frozen=True)
class ReceivedRequest:
    path: str
    headers: Message
    body: bytes


class SageMakerRuntime:
    """Behaves in turn as `script` says, then goes on as its last entry does."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        document = {**CLASSIFICATION, "measurements": MEASUREMENTS}
        self.script: list[Behaviour] = [respond(200, document)]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop accepting: from then on connections are refused."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, or the kernel holds the second back

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                runtime.requests.append(ReceivedRequest(self.path, self.headers, body))
                script = runtime.script
                (script.pop(0) if len(script) > 1 else script[0])(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
                """Keep the tests' output clean."""

        return Handler


def respond(
    status: int,
    body: object,
    content_type: str = "application/json",
    error_type: str | None = None,
) -> Behaviour:
    """Respond with bytes as they are, or anything else as JSON."""

    def behave(request: BaseHTTPRequestHandler) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", content_type)
        request.send_header("Content-Length", str(len(content)))
        if error_type:
            request.send_header("x-amzn-ErrorType", error_type)
        request.end_headers()
        request.wfile.write(content)

    return behave


def service_error(status: int, code: str, message: str = "from SageMaker") -> Behaviour:
    return respond(status, {"Message": message}, error_type=code)


def model_error(original_status: object, original_message: object) -> Behaviour:
    """What SageMaker makes of a container's response that is not 200."""
    text = original_message if isinstance(original_message, str) else json.dumps(original_message)
    fields = {
        "Message": f'Received error ({original_status}) from primary with message "{text}".',
        "OriginalStatusCode": original_status,
        "OriginalMessage": text,
        "LogStreamArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/x",
    }
    return respond(424, fields, error_type="ModelError")


def silence(seconds: float) -> Behaviour:
    """Say nothing for so long, then break off."""

    def behave(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        request.close_connection = True

    return behave


def silent_in_the_middle(seconds: float) -> Behaviour:
    """Announce a response, send a part of it, and say no more for so long."""

    def behave(request: BaseHTTPRequestHandler) -> None:
        send_half(request)
        request.wfile.flush()
        silence(seconds)(request)

    return behave


def drip(head: bytes, part: bytes, seconds: float) -> Behaviour:
    """Send a part again and again for so long, with too little silence for any timeout."""

    def behave(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(head)
        ending = time.monotonic() + seconds
        while time.monotonic() < ending:
            request.wfile.write(part)
            request.wfile.flush()
            time.sleep(0.05)
        request.close_connection = True

    return behave


def send_half(request: BaseHTTPRequestHandler) -> None:
    """Announce more bytes than are sent, then close."""
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"predictions": [')
    request.close_connection = True


def reset(request: BaseHTTPRequestHandler) -> None:
    """Break the connection with a TCP reset."""
    linger_for_no_time = struct.pack("ii", 1, 0)
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
    request.connection.close()
    request.close_connection = True
