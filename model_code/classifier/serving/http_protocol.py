"""uvicorn's HTTP protocol with bounds on the size and the time of a request's headers."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Of the request line and all headers. SageMaker's own headers take less than 4 KiB.
MAX_HEAD_BYTES: Final = 65_536
MAX_HEAD_SECONDS: Final = 10.0


class BoundedHeadProtocol(HttpToolsProtocol):
    """Refuses headers that are too large with 431, and headers that take too long with 408.

    uvicorn keeps what it receives until the headers end, in time that grows with the square of a
    header's length. Both responses close the connection.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse what was received; refuse the request if its headers have not ended by then."""
        began_earlier = self._head_bytes is not None
        super().data_received(data)
        if began_earlier and self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Count from here; the headers must end within `MAX_HEAD_SECONDS`."""
        super().on_message_begin()
        self._head_bytes = 0
        self._stop_timer()
        self._timer = self.loop.call_later(MAX_HEAD_SECONDS, self._refuse, b"408 Request Timeout")

    def on_headers_complete(self) -> None:
        """Pass the request on; its body is bounded elsewhere."""
        self._head_bytes = None
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def _refuse(self, status: bytes) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            headers = b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(b"HTTP/1.1 " + status + b"\r\n" + headers)
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
