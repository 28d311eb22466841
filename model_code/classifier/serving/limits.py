"""What ends a request early: its time is over, or its client has gone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive

# Most responses are ready before. Until then a client that has gone is not noticed.
WATCH_AFTER_SECONDS: Final = 0.1


class RequestLimit:
    """Interrupts the task of a request, as `asyncio.timeout` does, but for several stages.

    All stages of a request that takes less than `WATCH_AFTER_SECONDS` need one timer together, and
    only for other requests there is a task that waits for the client's disconnect.
    """

    def __init__(self, receive: Receive) -> None:
        """Set no limit yet.

        Args:
            receive: of the request (ASGI).

        Raises:
            RuntimeError: not in a task.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request has a task")
        self._task = task
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._end = math.inf
        self._make_error: Callable[[], Exception] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_watching = False
        self._leaving: asyncio.Future[object] | None = None
        self._reason: Exception | None = None

    def __enter__(self) -> RequestLimit:
        """Begin."""
        self._cancelling = self._task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None
    ) -> None:
        """End; if the task was interrupted, raise the reason."""
        if self._timer is not None:
            self._timer.cancel()
        if self._leaving is not None:
            self._leaving.remove_done_callback(self._interrupt_as_gone)
            self._leaving.cancel()
        if self._reason is not None:
            is_ours = self._task.uncancel() <= self._cancelling
            if is_ours and kind is asyncio.CancelledError:
                raise self._reason from None

    def set_end(self, end: float, make_error: Callable[[], Exception]) -> None:
        """Limit the time until `lift` or another end.

        Args:
            end: in the time of the event loop.
            make_error: returns what the context raises then.
        """
        self._end, self._make_error = end, make_error
        first = min(end, self._loop.time() + WATCH_AFTER_SECONDS)
        if self._timer is None or first < self._timer.when():
            self._set_timer(first)

    def lift(self) -> None:
        """Limit the time no more."""
        self._end = math.inf

    def watch_client(self) -> None:
        """From the first check on, raise `ClientDisconnect` when the client disconnects.

        The whole body must have been received, so that the next message can only be the disconnect.
        """
        self._is_watching = True

    def interrupt(self, reason: Exception) -> None:
        """End the request now; its context raises `reason`."""
        if self._reason is None:
            self._reason = reason
            self._task.cancel()

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._check)

    def _check(self) -> None:
        self._timer = None
        if self._end <= self._loop.time() and self._make_error is not None:
            self.interrupt(self._make_error())
            return
        if self._is_watching and self._leaving is None:
            self._leaving = asyncio.ensure_future(self._receive())
            self._leaving.add_done_callback(self._interrupt_as_gone)
        if self._end < math.inf:
            self._set_timer(self._end)

    def _interrupt_as_gone(self, _leaving: object) -> None:
        self.interrupt(ClientDisconnect())
