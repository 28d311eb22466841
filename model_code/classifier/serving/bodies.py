"""Read the bodies of requests, within limits of their size, time and memory."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from classifier.errors import RequestError
from classifier.serving.limits import RequestLimit

# Limits how long a slow body is kept in memory.
BODY_SECONDS: Final = 10.0
# Of the bodies that are arriving, and of those whose requests are in flight.
MAX_TOTAL_BYTES: Final = 64 * 1024 * 1024
# A body that has been arriving for longer may be dropped for another one.
SLOW_SECONDS: Final = 1.0


class _Body:
    """A body whose memory is counted until the context ends."""

    def __init__(self, reader: BodyReader, limit: RequestLimit) -> None:
        self._reader = reader
        self.limit = limit
        self.length = 0
        self.data: bytes | bytearray = b""

    def __enter__(self) -> bytes | bytearray:
        return self.data

    def __exit__(self, *_error: object) -> None:
        self._reader.release(self)

    def add(self, chunk: bytes) -> None:
        if not self.data:
            self.data = chunk
        else:
            if isinstance(self.data, bytes):
                self.data = bytearray(self.data)
            self.data += chunk


class BodyReader:
    """Reads bodies; holds at most `MAX_TOTAL_BYTES` of them in memory at a time.

    A body that does not fit is refused at once instead of being left in the network's buffers: its
    client can try another instance while it would only wait here. Before that, bodies that arrive
    slowly are dropped, so that those who send the beginning of large bodies do not keep out others.
    For one event loop.
    """

    def __init__(self, *, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._total_bytes = 0
        # The oldest first.
        self._arriving: dict[_Body, None] = {}

    async def read(self, receive: Receive, limit: RequestLimit) -> _Body:
        """Read a request's body; its context counts the memory until it ends.

        Args:
            receive: of the request (ASGI).
            limit: of the request, whose context raises `body_timeout`.

        Raises:
            ClientDisconnect: the client closed its connection.
            RequestError: `payload_too_large`; `overloaded`: no memory is left.
        """
        body = _Body(self, limit)
        limit.set_end(limit.started + BODY_SECONDS, _timeout)
        self._arriving[body] = None
        try:
            is_complete = False
            while not is_complete:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                self._count(body, len(chunk))
                body.add(chunk)
                is_complete = not message.get("more_body", False)
        except BaseException:
            self.release(body)
            raise
        finally:
            self._arriving.pop(body, None)
        limit.lift()
        return body

    def release(self, body: _Body) -> None:
        """Count a body no more."""
        self._total_bytes -= body.length
        body.length = 0

    def _count(self, body: _Body, count: int) -> None:
        # The HTTP server drops the rest of a refused body, so that the client sees the response.
        if body.length + count > self._max_body_bytes:
            raise RequestError(
                "payload_too_large", f"The body may have at most {self._max_body_bytes} bytes."
            )
        if self._total_bytes + count > MAX_TOTAL_BYTES:
            self._drop_slow_bodies(body, count)
        body.length += count
        self._total_bytes += count

    def _drop_slow_bodies(self, newest: _Body, count: int) -> None:
        now = asyncio.get_running_loop().time()
        for body in list(self._arriving):
            if (
                self._total_bytes + count <= MAX_TOTAL_BYTES
                or now - body.limit.started < SLOW_SECONDS
            ):
                break
            if body is not newest:
                body.limit.interrupt(_timeout())
                del self._arriving[body]
                self.release(body)
        if self._total_bytes + count > MAX_TOTAL_BYTES:
            raise RequestError(
                "overloaded",
                "The bodies of other requests take up the server's memory; try again soon.",
                retry_after_seconds=1,
            )


def _timeout() -> RequestError:
    return RequestError(
        "body_timeout",
        f"The body did not arrive in time; send all of it within {SLOW_SECONDS:g} s, or "
        f"within {BODY_SECONDS:g} s while few other bodies arrive.",
    )
