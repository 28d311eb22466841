"""uvicorn's HTTP protocol with bounds on what a request may cost before its body is read."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Of the request line and all headers. SageMaker's own headers take less than 4 KiB.
MAX_HEAD_BYTES: Final = 65_536
MAX_HEAD_SECONDS: Final = 10.0
# Of a body of 10 MiB this is 160 bytes a chunk; clients send kilobytes. Ten million chunks of a
# byte take 4 s.
MAX_BODY_CHUNKS: Final = 65_536
# Sent before a body, which has not been received then.
_CONTINUE: Final = b"HTTP/1.1 100 "
_TOO_MANY_CHUNKS: Final = (
    b'{"code":"invalid_request","message":"The body has more than %d chunks; send larger chunks, '
    b'or a Content-Length."}' % MAX_BODY_CHUNKS
)


class BoundedProtocol(HttpToolsProtocol):
    """Refuses headers that are too large or too slow (431, 408), and too many chunks (400).

    uvicorn keeps what it receives until the headers end, in time that grows with the square of a
    header's length. All three responses close the connection.

    A request to upgrade the connection, such as `Upgrade: h2c` of Java's client, is served without
    the upgrade: httptools drops the body of such a request.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser = _Parser(self)
        self._head_bytes: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._chunk_count = 0

    def data_received(self, data: bytes) -> None:
        """Parse what was received; refuse the request if its headers have not ended by then."""
        began_earlier = self._head_bytes is not None
        super().data_received(data)
        if self._head_bytes is None:
            return
        if began_earlier:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")
                return
        if self._timer is None:
            # Only now: most headers arrive at once, and need no timer.
            self._timer = self.loop.call_later(
                MAX_HEAD_SECONDS, self._refuse, b"408 Request Timeout"
            )

    def on_message_begin(self) -> None:
        """Count from here; the headers must end within `MAX_HEAD_SECONDS`."""
        super().on_message_begin()
        self._head_bytes = 0
        self._chunk_count = 0
        self._stop_timer()

    def on_headers_complete(self) -> None:
        """Pass the request on, unless it will be parsed again without its upgrade."""
        self._head_bytes = None
        self._stop_timer()
        if not _ends_in_upgrade(self.parser):
            super().on_headers_complete()
            if self.parser.get_method() == b"POST":  # a response to HEAD has no body
                self.cycle.transport = cast(asyncio.Transport, _ResponseWriter(self.transport))

    def on_chunk_header(self) -> None:
        """Count the chunks of the body; each costs time, however short it is."""
        self._chunk_count += 1
        if self._chunk_count > MAX_BODY_CHUNKS:
            self._refuse(b"400 Bad Request", _TOO_MANY_CHUNKS)

    def on_message_complete(self) -> None:
        """Pass the end of the body on."""
        if not _ends_in_upgrade(self.parser):
            super().on_message_complete()

    def parse_without_upgrade(self, rest: bytes) -> bytes | None:
        """Parse a request to upgrade the connection again, without its header `Upgrade`.

        Args:
            rest: what was received after the headers.

        Returns:
            As `_Parser.feed_once`.
        """
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        parser = _Parser(self)
        self.parser = parser
        return parser.feed_once(b"\r\n".join([*lines, b"", rest]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def _refuse(self, status: bytes, content: bytes = b"") -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            headers = b"content-length: %d\r\nconnection: close\r\n" % len(content)
            if content:
                headers += b"content-type: application/json\r\n"
            self.transport.write(b"HTTP/1.1 " + status + b"\r\n" + headers + b"\r\n" + content)
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _ResponseWriter:
    """Writes the head of a response together with the beginning of its body.

    uvicorn writes one after the other, which takes a second system call and a second packet.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Keep the head until the next call; send everything else."""
        if self._head is not None:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(_CONTINUE):
            self._transport.write(data)
        else:
            self._head = data

    def close(self) -> None:
        """Send the head, and close the connection when everything has been sent."""
        if self._head:
            self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or will be."""
        return self._transport.is_closing()


class _Parser(httptools.HttpRequestParser):
    """Passes a request to upgrade the connection to `parse_without_upgrade`."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        super().__init__(protocol)
        # As uvicorn's: a pipelined request may follow one that closes the connection.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._protocol = protocol

    def feed_data(self, data: Any) -> None:
        rest = self.feed_once(data)
        while rest is not None:  # not by recursion: a client may send thousands at a time
            rest = self._protocol.parse_without_upgrade(rest)

    def feed_once(self, data: bytes) -> bytes | None:
        """Parse; return what follows the headers of a request to upgrade, if there is one."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not _ends_in_upgrade(self):
                raise
            return data[upgrade.args[0] :]
        return None


def _ends_in_upgrade(parser: httptools.HttpRequestParser) -> bool:
    """Return whether a parser takes what follows the headers for another protocol."""
    # CONNECT is an upgrade to it too, but has no header to leave out.
    return parser.should_upgrade() and parser.get_method() != b"CONNECT"
