"""A local API that sends prepared responses, one for each request."""

import json
import threading
import time
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Response:
    """A response; text and bytes are sent unchanged, anything else as JSON."""

    status: int
    body: Any
    delay_seconds: float = 0.0


@dataclass(frozen=True)
class Received:
    """A received request."""

    path: str
    headers: Message
    body: bytes


def predicted(*predictions: dict[str, Any], delay_seconds: float = 0.0) -> Response:
    """Return a good response of the model resnet50."""
    model = {"name": "resnet50", "version": "0123456789ab"}
    body = {"predictions": list(predictions), "model": model, "request_id": "r"}
    return Response(200, body, delay_seconds)


class Api:
    """Serves inside a `with` block; further requests get the last response again."""

    def __init__(self, *responses: Response) -> None:
        self.received: list[Received] = []
        api, left = self, list(responses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                api.received.append(Received(self.path, self.headers, content))
                response = left.pop(0) if len(left) > 1 else left[0]
                time.sleep(response.delay_seconds)
                body = response.body
                self.send_response(response.status)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
                """Keep the tests' output clean."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
