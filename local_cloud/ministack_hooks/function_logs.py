"""The log lines of an invocation, all of them, without waiting for lines that never come.

MiniStack reads a worker's log in a thread and waits 50 ms for a first line after the response. On a
busy machine the line comes later, and belongs to the next invocation; without any line each
invocation takes 50 ms longer. Here the worker writes a marker after the handler's last line.
"""

import queue
import threading
import time
from typing import Any, Final

from ministack.core import lambda_runtime

_MARKER: Final = "\x1eend of the invocation's log"
_LONGEST_WAIT_SECONDS: Final = 2.0
_CHECK_SECONDS: Final = 0.02
_RESPONDED: Final = "        _real_stdout.flush()\n\nrun()"


def can_mark_logs() -> bool:
    """Tell whether the worker of Python functions is the one that this module was written for."""
    return bool(lambda_runtime._PYTHON_WORKER_SCRIPT.count(_RESPONDED) == 1)


def install_function_logs() -> None:
    """Collect the log of a Python function up to its marker."""
    mark = f"        sys.stderr.write({_MARKER!r} + '\\n')\n        sys.stderr.flush()\n"
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_RESPONDED, mark + _RESPONDED)
    original = lambda_runtime.Worker._drain_stderr_bounded

    def drain(worker: Any, *arguments: float, **options: float) -> str:
        if not worker.config.get("Runtime", "").startswith("python"):
            drained: str = original(worker, *arguments, **options)
            return drained
        return _drain_to_marker(worker._stderr_queue, worker._stderr_thread)

    lambda_runtime.Worker._drain_stderr_bounded = drain


def _drain_to_marker(lines: "queue.Queue[str]", reader: threading.Thread) -> str:
    drained = []
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while time.monotonic() < deadline:
        # A worker that ended writes no marker; its reader ends after the last line.
        has_ended = not reader.is_alive()
        try:
            line = lines.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            if has_ended:
                break
            continue
        before, marker, _ = line.partition(_MARKER)
        if before or not marker:
            drained.append(before)
        if marker:
            break
    return "\n".join(drained)
