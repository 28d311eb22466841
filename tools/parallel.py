"""Calls a function with many items, several at a time, and says how far it is."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from tools.counted import counted
from tools.status_line import say

# boto3's clients keep ten connections.
_THREADS: Final = 8
_MAX_WAITING: Final = 16 * _THREADS
_SECONDS_BETWEEN_LINES: Final = 5.0

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], *, noun: str
) -> Iterator[Result]:
    """Yield a function's results in the order of the items; print progress every five seconds.

    Args:
        function: is called in several threads.
        items: what it is called with.
        noun: what an item is.
    """
    waiting = deque[Future[Result]]()
    began = said = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            for done, _ in enumerate(items):
                while len(waiting) < _MAX_WAITING and done + len(waiting) < len(items):
                    waiting.append(threads.submit(function, items[done + len(waiting)]))
                yield waiting.popleft().result()
                now = time.monotonic()
                if now - said > _SECONDS_BETWEEN_LINES:
                    said = now
                    left = (now - began) / (done + 1) * (len(items) - done - 1)
                    say(f"  {done + 1:,} of {counted(len(items), noun)}, about {left:.0f} s left")
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
