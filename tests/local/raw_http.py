"""Sends raw HTTP requests that no client library would send."""

import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tools.local.deployment import LocalDeployment

_TIMEOUT_SECONDS = 35.0  # above API Gateway's own 29
_CHUNK_BYTES = 1000


@dataclass(frozen=True)
class RawRequest:
    """A valid HTTP/1.1 request with arbitrary content.

    Attributes:
        method: any token.
        target: what follows the API's base address, percent-encoded or not.
        headers: names and values in their order; Host and the body's length are added.
        body: sent as it is.
        chunked: whether the body is sent in chunks, without Content-Length.
    """

    method: str = "POST"
    target: str = "predict"
    headers: tuple[tuple[str, str], ...] = field(default=())
    body: bytes = b""
    chunked: bool = False


@dataclass(frozen=True)
class RawResponse:
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def exchange(deployment: LocalDeployment, request: RawRequest) -> RawResponse:
    """Send a request on a new connection and read the response."""
    address = urlsplit(deployment.api_url)
    lines = [
        f"{request.method} {address.path}{request.target} HTTP/1.1",
        f"Host: {address.netloc}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in request.headers),
        "Transfer-Encoding: chunked" if request.chunked else f"Content-Length: {len(request.body)}",
    ]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    body = b"".join(_chunks(request.body)) if request.chunked else request.body
    endpoint = (address.hostname or "", address.port or 0)
    with socket.create_connection(endpoint, timeout=_TIMEOUT_SECONDS) as connection:
        connection.sendall(head + body)
        received = http.client.HTTPResponse(connection, method=request.method)
        received.begin()
        headers = {name.lower(): value for name, value in received.getheaders()}
        response = RawResponse(received.status, headers, received.read())
        received.close()
    return response


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _CHUNK_BYTES):
        part = body[start : start + _CHUNK_BYTES]
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"
