"""HTTP as the clients of a benchmark speak it: one kept-alive connection, responses read cheaply.

Client and server share the cores, so that CPU time of the client is lost to the server.
"""

import re
import socket
from typing import Final, NamedTuple

TIMEOUT_SECONDS: Final = 60.0
RECEIVE_BYTES: Final = 65536
_END_OF_HEAD: Final = b"\r\n\r\n"
# No server here sends trailers, so that this is the end.
_LAST_CHUNK: Final = b"0\r\n\r\n"
_HEADERS: Final = re.compile(
    rb"\r\n(connection|content-length|retry-after|transfer-encoding):[ \t]*([^\r]*)",
    re.IGNORECASE,
)


class Response(NamedTuple):
    """The status, the headers that a client follows (names in lower case) and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Return whether the server closes the connection after it."""
        return self.headers.get("connection", "").lower() == "close"


class ResponseReader:
    """Finds the end of a response in what a connection receives."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, received: bytes) -> Response | None:
        """Return the response once its last byte is there.

        Args:
            received: the bytes after those of the last call; empty if the server has closed.

        Raises:
            OSError: the server closed the connection before the end.
            ValueError: the response is not HTTP.
        """
        if not received:
            raise ConnectionResetError("the server closed the connection before its response")
        data = self._data = self._data + received
        end = data.find(_END_OF_HEAD)
        if end < 0:
            return None
        found = _HEADERS.findall(data, 0, end)
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in found}
        start = end + len(_END_OF_HEAD)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            if not data.endswith(_LAST_CHUNK):
                return None
            body = _join_chunks(data[start:])
        else:
            body = data[start:]
            if len(body) < int(headers.get("content-length", "0")):
                return None
        self._data = b""
        return Response(int(data[:end].split(None, 2)[1]), headers, body)


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
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request)
            response = _receive(self._socket)
        except (OSError, ValueError):
            self.close()
            raise
        if response.closes:
            self.close()
        return response

    def close(self) -> None:
        """Close the socket; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _receive(stream: socket.socket) -> Response:
    reader = ResponseReader()
    while (response := reader.feed(stream.recv(RECEIVE_BYTES))) is None:
        pass
    return response


def _join_chunks(chunked: bytes) -> bytes:
    parts = []
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        parts.append(rest[: int(size, 16)])
        chunked = rest[int(size, 16) + 2 :]
    return b"".join(parts)
