"""Micro-batches: items that arrive while one batch is computed form the next batch."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# One batch computes while the next is prepared; a third would only wait.
IN_FLIGHT_COUNT: Final = 2


class BatcherClosedError(Exception):
    """The item was not computed: the server is stopping."""


class Batcher(Generic[Item, Result]):
    """Computes items in batches, in threads, for callers on one event loop.

    While nothing is computed, a new item starts at once. While a batch is computed, items collect
    for the next batch, which starts when it is full, when `max_delay_ms` have passed since its
    first item, or when the running batch ends, whichever is first.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        max_batch: int,
        max_delay_ms: float,
    ) -> None:
        """Start no thread yet.

        Args:
            compute: computes 1 to `max_batch` items and returns as many results in the same order.
                Called in two threads at the same time; an exception is raised for each item of the
                batch.
            max_batch: maximum number of items in a batch.
            max_delay_ms: longest time that an item waits for others while a batch is running.
        """
        self._compute = compute
        self._max_batch = max_batch
        self._max_delay_seconds = max_delay_ms / 1000
        # Each with the loop time at which its wait ends; the oldest first.
        self._waiting: dict[asyncio.Future[Result], tuple[Item, float]] = {}
        self._running_count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._threads = ThreadPoolExecutor(IN_FLIGHT_COUNT, thread_name_prefix="batch")
        self._is_closed = False

    async def submit(self, item: Item) -> Result:
        """Return the result of `item`; an item that is cancelled before its batch is not computed.

        Raises:
            BatcherClosedError: closed before the item's batch started.
            Exception: what `compute` raised for the item's batch.
        """
        if self._is_closed:
            raise BatcherClosedError("the server is stopping")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting[future] = (item, loop.time() + self._max_delay_seconds)
        self._plan()
        try:
            return await future
        finally:
            self._waiting.pop(future, None)

    def close(self) -> None:
        """Fail the waiting items, then block until running batches are done."""
        self._is_closed = True
        self._cancel_timer()
        for future in self._waiting:
            if not future.done():
                future.set_exception(BatcherClosedError("the server is stopping"))
        self._waiting.clear()
        self._threads.shutdown()

    def _plan(self) -> None:
        if not self._waiting or self._running_count == IN_FLIGHT_COUNT:
            return
        if len(self._waiting) >= self._max_batch:
            self._start()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            _, due_time = next(iter(self._waiting.values()))
            # Idle: start after the callbacks that are ready now, which may add more items.
            self._timer = loop.call_at(due_time if self._running_count else 0, self._start)

    def _start(self) -> None:
        self._cancel_timer()
        batch = list(itertools.islice(self._waiting, self._max_batch))
        items = [self._waiting.pop(future)[0] for future in batch]
        if batch:
            self._running_count += 1
            loop = asyncio.get_running_loop()
            finish = functools.partial(self._finish, batch)
            computed = self._threads.submit(self._compute, items)
            computed.add_done_callback(lambda done: loop.call_soon_threadsafe(finish, done))

    def _finish(
        self, batch: list[asyncio.Future[Result]], computed: Future[Sequence[Result]]
    ) -> None:
        self._running_count -= 1
        error = computed.exception()
        if error is None:
            for future, result in zip(batch, computed.result(), strict=True):
                if not future.done():
                    future.set_result(result)
        else:
            for future in batch:
                if not future.done():
                    future.set_exception(error)
        # The timer belonged to the time that this batch was running.
        self._cancel_timer()
        self._plan()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
