"""A stand-in for S3 that speaks its wire protocol on the loopback interface.

As for a role that may not list the bucket, a missing object is 403 and not 404. Operations:
HeadObject, GetObject, DeleteObject.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from tests.lambda_src.images import jpeg

Fault = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class StoredImage:
    body: bytes
    content_type: str = "image/jpeg"


@dataclass
class S3Server:
    """Objects by path, `/<bucket>/<key>`.

    Attributes:
        objects: what is stored.
        requests: method and path of each request.
        faults: what happens instead, by the number of the request, from 0.
        before: called before the request of a number.
        sent_bytes: of the body of a GetObject; the rest is never sent. None: all are sent.
    """

    objects: dict[str, StoredImage] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    before: dict[int, Callable[[], object]] = field(default_factory=dict)
    sent_bytes: int | None = None

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.requests]

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        s3 = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_HEAD(self) -> None:
                self._serve()

            def do_GET(self) -> None:
                self._serve()

            def do_DELETE(self) -> None:
                self._serve()

            def _serve(self) -> None:
                path = unquote(self.path)
                number = len(s3.requests)
                s3.requests.append((self.command, path))
                s3.before.get(number, lambda: None)()
                if fault := s3.faults.get(number):
                    fault(self)
                elif self.command == "DELETE":
                    s3.objects.pop(path, None)
                    respond(self, 204)
                elif (found := s3.objects.get(path)) is None:
                    refuse(403, "AccessDenied")(self)
                else:
                    headers = {"Content-Type": found.content_type}
                    respond(self, 200, found.body, sent_bytes=s3.sent_bytes, **headers)
                    if s3.sent_bytes is not None:
                        self.wfile.flush()
                        s3._closed.wait()
                        self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
                """Keep the tests' output clean."""

        return Handler


def respond(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes = b"",
    *,
    sent_bytes: int | None = None,
    **headers: str,
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body[:sent_bytes])


def refuse(status: int, code: str) -> Fault:
    """Respond with an error of S3, which has no body where the request is a HEAD."""
    body = f"<Error><Code>{code}</Code><Message>from S3</Message></Error>".encode()
    return lambda request: respond(request, status, body)


def break_off(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


def end_early(request: BaseHTTPRequestHandler) -> None:
    """Send the beginning of an image, and then close the connection."""
    body = jpeg(640, 480) + bytes(1_000_000)
    respond(request, 200, body, sent_bytes=500_000, **{"Content-Type": "image/jpeg"})
    request.close_connection = True
