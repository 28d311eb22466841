"""A stand-in for the parts of AWS that the steps of a pipeline call."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "models-of-stage"


class StandIn(ThreadingHTTPServer):
    """Objects, templates and one model that is served.

    Attributes:
        objects: bodies by "bucket/key".
        sha256: of every artifact.
        templates: JSON by the name of the stack.
        version: of the model that responds.
        calls: what was called, by whose credentials: the name of the assumed role.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.sha256 = ""
        self.templates: dict[str, str] = {}
        self.version = ""
        self.calls: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def stand_in_aws() -> Iterator[StandIn]:
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""

    def do_POST(self) -> None:
        body = self._read()
        if self.path == "/v1/predict":
            self._json({"predictions": [], "model": {"version": self.server.version}})
        elif target := self.headers.get("X-Amz-Target"):
            name = target.rpartition(".")[2]
            self._record(name)
            self._json(self._respond(name, json.loads(body)))
        else:
            form = {key: value[0] for key, value in parse_qs(body.decode()).items()}
            self._record(form["Action"])
            self._query(form)

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path).strip("/")
        if name.startswith("apikeys/"):
            self._record("GetApiKey")
            self._json({"value": "key"})
            return
        self._record("GetObject")
        self._object(name)

    def do_HEAD(self) -> None:
        self._record("HeadObject")
        self._object(unquote(urlsplit(self.path).path).strip("/"))

    def do_PUT(self) -> None:
        name = unquote(urlsplit(self.path).path).strip("/")
        body = self._read()
        source = self.headers.get("x-amz-copy-source")
        self._record("CopyObject" if source else "PutObject")
        self.server.objects[name] = b"copied" if source else body
        self._xml("<CopyObjectResult><ETag>1</ETag></CopyObjectResult>")

    def _object(self, name: str) -> None:
        if name not in self.server.objects:
            self._xml("<Error><Code>NoSuchKey</Code><Message>none</Message></Error>", status=404)
            return
        checksum = base64.b64encode(bytes.fromhex(self.server.sha256)).decode()
        headers = {"x-amz-checksum-sha256": checksum} if self.command == "HEAD" else {}
        self._send(200, self.server.objects[name], "application/octet-stream", headers)

    def _respond(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        if name == "DescribeEndpoint":
            return {"EndpointStatus": "InService"}
        published = {"api-url": f"{self.server.url}/v1/"}
        value = published.get(request["Name"].rpartition("/")[2], "id")
        return {"Parameter": {"Name": request["Name"], "Value": value}}

    def _query(self, form: dict[str, str]) -> None:
        action = form["Action"]
        if action == "AssumeRole":
            role = form["RoleArn"].rpartition("/")[2]
            result = (
                f"<Credentials><AccessKeyId>{role}</AccessKeyId><SecretAccessKey>s"
                "</SecretAccessKey><SessionToken>t</SessionToken>"
                "<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>"
            )
        elif action == "DescribeStacks":
            result = (
                "<Stacks><member><StackName>s</StackName><StackStatus>UPDATE_COMPLETE</StackStatus>"
                "<Outputs><member><OutputKey>ModelsBucketName</OutputKey>"
                f"<OutputValue>{BUCKET}</OutputValue></member></Outputs></member></Stacks>"
            )
        else:
            template = escape(self.server.templates[form["StackName"]])
            result = f"<TemplateBody>{template}</TemplateBody>"
        self._xml(f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>")

    def _record(self, name: str) -> None:
        found = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization", ""))
        self.server.calls.append((found[1] if found else "", name))

    def _read(self) -> bytes:
        if self.headers.get("Expect") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), "application/json", {})

    def _xml(self, content: str, status: int = 200) -> None:
        self._send(status, content.encode(), "text/xml", {})

    def _send(self, status: int, body: bytes, content_type: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
