from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


def call_within(seconds: float, call: Callable[[], Result]) -> Result:
    """Wait so long, and no longer, for a call that has no deadline of its own.

    The call runs in a thread. One that is given up cannot be stopped: it goes on in the background
    until its own timeouts or the process end it, and nobody looks at what it brings.

    Args:
        seconds: how long to wait.
        call: what to do.

    Returns:
        What the call returns.

    Raises:
        TimeoutError: it has not ended in time.
        Exception: whatever the call raises.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    return outcome.result(seconds)
