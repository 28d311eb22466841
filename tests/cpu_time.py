"""The CPU time that a hostile body may take."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def check_cpu_time(work: Callable[[], Result], *, max_seconds: float) -> Result:
    """Return the result of `work`; fail if each of three calls takes more CPU time of this thread.

    A single call may include a garbage collection of all that the process holds.
    """
    measured = []
    for _ in range(3):
        started = time.thread_time()
        result = work()
        measured.append(time.thread_time() - started)
        if measured[-1] < max_seconds:
            return result
    raise AssertionError(f"{measured} seconds of CPU time; expected less than {max_seconds}")
