"""One kept-alive connection of a client, on a plain socket.

Client and server share the cores, so that CPU time of the client is lost to the server.
"""

import socket
from dataclasses import dataclass
from typing import Final

_TIMEOUT_SECONDS: Final = 60.0
_RECEIVE_BYTES: Final = 65536


@dataclass(frozen=True)
class Response:
    """The status, headers (names in lower case) and body of a response."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A connection to a port of 127.0.0.1, opened again after the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> Response:
        """Send a whole HTTP request and return its response.

        Raises:
            OSError: no response.
            ValueError: the response is not HTTP.
        """
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request)
            response = _receive(self._socket)
        except (OSError, ValueError):
            self.close()
            raise
        if response.headers.get("connection", "").lower() == "close":
            self.close()
        return response

    def close(self) -> None:
        """Close the socket; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _receive(stream: socket.socket) -> Response:
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        _receive_more(stream, data)
    status_line, *lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    del data[: end + 4]
    if headers.get("transfer-encoding", "").lower() == "chunked":
        # No server here sends trailers, so that this is the end.
        while not data.endswith(b"0\r\n\r\n"):
            _receive_more(stream, data)
        body = _join_chunks(bytes(data))
    else:
        while len(data) < int(headers.get("content-length", "0")):
            _receive_more(stream, data)
        body = bytes(data)
    return Response(int(status_line.split()[1]), headers, body)


def _receive_more(stream: socket.socket, data: bytearray) -> None:
    received = stream.recv(_RECEIVE_BYTES)
    if not received:
        raise ConnectionResetError("the server closed the connection before its response")
    data += received


def _join_chunks(chunked: bytes) -> bytes:
    parts = []
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        parts.append(rest[: int(size, 16)])
        chunked = rest[int(size, 16) + 2 :]
    return b"".join(parts)
