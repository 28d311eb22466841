"""Read the bodies of requests, within limits of their size, time and memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from classifier.errors import RequestError

# Limits how long a slow body is kept in memory.
BODY_SECONDS: Final = 10.0
# Of the bodies that are arriving, and of those whose requests are in flight.
MAX_TOTAL_BYTES: Final = 64 * 1024 * 1024
# A body that has been arriving for longer may be dropped for another one.
SLOW_SECONDS: Final = 1.0


@dataclass(eq=False)
class _Body:
    started: float
    limit: asyncio.Timeout
    length: int = 0


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

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """Read a request's body, and count its memory until the context ends.

        Raises:
            ClientDisconnect: the client closed its connection.
            RequestError: `payload_too_large`, `body_timeout`; `overloaded`: no memory is left.
        """
        data = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS) as limit:
                body = _Body(asyncio.get_running_loop().time(), limit)
                self._arriving[body] = None
                try:
                    async for chunk in request.stream():
                        self._count(body, len(chunk))
                        data += chunk
                except BaseException:
                    self._release(body)
                    raise
                finally:
                    self._arriving.pop(body, None)
        except TimeoutError as error:
            raise RequestError(
                "body_timeout",
                f"The body did not arrive in time; send all of it within {SLOW_SECONDS:g} s, or "
                f"within {BODY_SECONDS:g} s while few other bodies arrive.",
            ) from error
        try:
            yield data
        finally:
            self._release(body)

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
            if self._total_bytes + count <= MAX_TOTAL_BYTES or now - body.started < SLOW_SECONDS:
                break
            if body is not newest:
                body.limit.reschedule(now)
                del self._arriving[body]
                self._release(body)
        if self._total_bytes + count > MAX_TOTAL_BYTES:
            raise RequestError(
                "overloaded",
                "The bodies of other requests take up the server's memory; try again soon.",
                retry_after_seconds=1,
            )

    def _release(self, body: _Body) -> None:
        self._total_bytes -= body.length
        body.length = 0
