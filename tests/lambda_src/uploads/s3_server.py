"""A stand-in for S3 that speaks its wire protocol on the loopback interface.

As for a role that may not list the bucket, a missing object is 403 and not 404. Operations:
HeadObject, GetObject with Range and If-Match, DeleteObject.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

Fault = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class StoredImage:
    body: bytes
    content_type: str = "image/jpeg"

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


@dataclass
class S3Server:
    """Objects by path, `/<bucket>/<key>`.

    Attributes:
        objects: what is stored.
        requests: method, path and Range of each request.
        faults: what happens instead, by the number of the request, from 0.
        before: called before the request of a number.
    """

    objects: dict[str, StoredImage] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    before: dict[int, Callable[[], object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.requests]

    def close(self) -> None:
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
                s3.requests.append((self.command, path, self.headers["Range"]))
                s3.before.get(number, lambda: None)()
                if fault := s3.faults.get(number):
                    fault(self)
                elif self.command == "DELETE":
                    s3.objects.pop(path, None)
                    respond(self, 204)
                elif (found := s3.objects.get(path)) is None:
                    refuse(403, "AccessDenied")(self)
                elif self.headers["If-Match"] not in {None, found.etag}:
                    refuse(412, "PreconditionFailed")(self)
                else:
                    self._send(found)

            def _send(self, found: StoredImage) -> None:
                body, status = found.body, 200
                if span := self.headers["Range"]:
                    first, last = (int(each) for each in span.removeprefix("bytes=").split("-"))
                    body, status = body[first : last + 1], 206
                headers = {"Content-Type": found.content_type, "ETag": found.etag}
                respond(self, status, body, **headers)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
                """Keep the tests' output clean."""

        return Handler


def respond(
    request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def refuse(status: int, code: str) -> Fault:
    """Respond with an error of S3, which has no body where the request is a HEAD."""
    body = f"<Error><Code>{code}</Code><Message>from S3</Message></Error>".encode()
    return lambda request: respond(request, status, body)


def break_off(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True
