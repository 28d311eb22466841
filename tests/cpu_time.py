"""The CPU time that a hostile body may take."""

import time
from collections.abc import Callable


def check_cpu_time(work: Callable[[], object], *, max_seconds: float) -> None:
    """Fail where `work` takes more CPU time of this thread than that in each of three calls.

    A single call may include a garbage collection of all that the process holds.
    """
    measured = []
    for _ in range(3):
        started = time.thread_time()
        work()
        measured.append(time.thread_time() - started)
        if measured[-1] < max_seconds:
            return
    raise AssertionError(f"{measured} seconds of CPU time; expected less than {max_seconds}")
