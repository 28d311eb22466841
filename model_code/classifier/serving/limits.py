"""What ends a request early: its time is over, or its client has gone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

# Most responses are ready before. Until then a client that has gone is not noticed.
WATCH_AFTER_SECONDS: Final = 0.1


class RequestLimits:
    """Checks each request of one event loop when it has taken `WATCH_AFTER_SECONDS`.

    With one timer for all: most requests end before their check.
    """

    def __init__(self) -> None:
        # The oldest first.
        self._unchecked: dict[RequestLimit, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, receive: Receive) -> RequestLimit:
        """Return the limit of the current task's request.

        Args:
            receive: of the request (ASGI).

        Raises:
            RuntimeError: not in a task.
        """
        limit = RequestLimit(self, receive)
        self._unchecked[limit] = None
        if self._timer is None:
            self._set_timer(limit)
        return limit

    def end(self, limit: RequestLimit) -> None:
        """Check a request no more."""
        self._unchecked.pop(limit, None)

    def _set_timer(self, oldest: RequestLimit) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(oldest.started + WATCH_AFTER_SECONDS, self._check)

    def _check(self) -> None:
        self._timer = None
        latest = asyncio.get_running_loop().time() - WATCH_AFTER_SECONDS
        for limit in list(self._unchecked):
            if limit.started > latest:
                self._set_timer(limit)
                return
            del self._unchecked[limit]
            limit.start_watching()


class RequestLimit:
    """Interrupts the task of a request, as `asyncio.timeout` does, in each of its stages.

    Attributes:
        started: in the time of the event loop.
    """

    def __init__(self, limits: RequestLimits, receive: Receive) -> None:
        """Set no end yet; see `RequestLimits.begin`."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request has a task")
        self._limits = limits
        self._receive = receive
        self._task = task
        self._cancelling = task.cancelling()
        self._loop = asyncio.get_running_loop()
        self.started = self._loop.time()
        self._end = math.inf
        self._make_error: Callable[[], Exception] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_slow = False
        self._has_body = False
        self._leaving: asyncio.Task[Message] | None = None
        self._reason: Exception | None = None

    def __enter__(self) -> RequestLimit:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None
    ) -> None:
        """End; if the task was interrupted, raise the reason."""
        self._limits.end(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._leaving is not None:
            self._leaving.remove_done_callback(self._interrupt_as_gone)
            self._leaving.cancel()
        # The error that is raised holds this frame: without its names here, what the request held,
        # such as its body, is freed at once and not by the next garbage collection.
        reason, self._reason = self._reason, None
        if reason is not None:
            is_ours = self._task.uncancel() <= self._cancelling
            if is_ours and kind is asyncio.CancelledError:
                try:
                    raise reason from None
                finally:
                    del reason

    def set_end(self, end: float, make_error: Callable[[], Exception]) -> None:
        """Limit the time until `lift` or another end.

        Args:
            end: in the time of the event loop.
            make_error: returns what the context raises then.
        """
        self._end, self._make_error = end, make_error
        if self._is_slow or end < self.started + WATCH_AFTER_SECONDS:
            self._set_timer()

    def lift(self) -> None:
        """Limit the time no more."""
        self._end = math.inf

    def watch_client(self) -> None:
        """Raise `ClientDisconnect` when the client disconnects, after `WATCH_AFTER_SECONDS`.

        The whole body must have been received, so that the next message can only be the disconnect.
        """
        self._has_body = True
        if self._is_slow:
            self._watch_client()

    def start_watching(self) -> None:
        """Set the timers that only slow requests need: this is one."""
        self._is_slow = True
        if self._has_body:
            self._watch_client()
        self._set_timer()

    def interrupt(self, reason: Exception) -> None:
        """End the request now; its context raises `reason`."""
        if self._reason is None:
            self._reason = reason
            self._task.cancel()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._end < math.inf:
            self._timer = self._loop.call_at(self._end, self._interrupt_as_late)

    def _watch_client(self) -> None:
        self._leaving = self._loop.create_task(_next_message(self._receive))
        self._leaving.add_done_callback(self._interrupt_as_gone)

    def _interrupt_as_late(self) -> None:
        if self._make_error is not None and self._end <= self._loop.time():
            self.interrupt(self._make_error())
        else:
            self._set_timer()  # the end was moved or lifted

    def _interrupt_as_gone(self, _leaving: object) -> None:
        self.interrupt(ClientDisconnect())


async def _next_message(receive: Receive) -> Message:
    return await receive()
