"""An HTTP server that stops responding for some time, as an overloaded one does."""

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """A request.

    Attributes:
        at: seconds after the first one.
        path: of the request.
        headers: with names in lower case.
        body: of the request.
    """

    at: float
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """What the server does.

    Attributes:
        stall: from and until when it does not respond, in seconds after the first request.
        status: of its responses.
        body: of its responses.
        received: the requests so far.
    """

    stall: tuple[float, float] = (0.0, 0.0)
    status: int = 200
    body: bytes = b"{}"
    received: list[Received] = field(default_factory=list)
    began: float | None = None


class StallingServer:
    """A server of one script, on a free port of this machine."""

    def __init__(self, script: Script) -> None:
        self._server = _Server(("127.0.0.1", 0), _handler(script))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "StallingServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 500

    def handle_error(self, *_: Any) -> None:
        """Print nothing about a sender that has gone."""


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            now = time.monotonic()
            if script.began is None:
                script.began = now
            at = now - script.began
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.received.append(Received(at, self.path, headers, body))
            first, last = script.stall
            if first <= at < last:
                time.sleep(last - at)
            self.send_response(script.status)
            self.send_header("Content-Length", str(len(script.body)))
            self.end_headers()
            self.wfile.write(script.body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
