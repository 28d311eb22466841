"""One kept connection of a client: as little work as HTTP allows, for it is the server's loss."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

_TIMEOUT_SECONDS: Final = 60.0
_RECEIVE_BYTES: Final = 65536


@dataclass(frozen=True)
class Reply:
    """An answer's status, headers in lower case, and body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection that is kept, and made again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> Reply:
        """Send a whole request and return its answer.

        Raises:
            OSError: no answer.
            ValueError: an answer that is no HTTP.
        """
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request)
            reply = _receive(self._socket)
        except (OSError, ValueError):
            self.close()
            raise
        if reply.headers.get("connection", "").lower() == "close":
            self.close()
        return reply

    def close(self) -> None:
        """Close it; the next request makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _receive(stream: socket.socket) -> Reply:
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        _receive_more(stream, data)
    lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    del data[: end + 4]
    if headers.get("transfer-encoding", "").lower() == "chunked":
        # Enough to know the end: no server here sends trailers.
        while not data.endswith(b"0\r\n\r\n"):
            _receive_more(stream, data)
        return Reply(int(lines[0].split()[1]), headers, _joined(bytes(data)))
    length = int(headers["content-length"]) if "content-length" in headers else 0
    while len(data) < length:
        _receive_more(stream, data)
    return Reply(int(lines[0].split()[1]), headers, bytes(data))


def _receive_more(stream: socket.socket, data: bytearray) -> None:
    received = stream.recv(_RECEIVE_BYTES)
    if not received:
        raise ConnectionResetError("the server closed the connection before it had answered")
    data += received


def _joined(chunked: bytes) -> bytes:
    parts = []
    while chunked:
        size_text, _, rest = chunked.partition(b"\r\n")
        size = int(size_text, 16)
        parts.append(rest[:size])
        chunked = rest[size + 2 :]
    return b"".join(parts)
