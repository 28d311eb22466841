from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

from classifier_proxy.errors import DeadlineTooShortError

RESPONSE_RESERVE_SECONDS = 1.0
"""Reserved from the remaining time, to check, log and send the response."""

Result = TypeVar("Result")


def check_time_left(remaining_seconds: float, call_seconds: float) -> None:
    """Check that a call can finish, and its response be sent, before the function is stopped.

    Args:
        remaining_seconds: time before the function is stopped.
        call_seconds: the longest time that the call may take.

    Raises:
        DeadlineTooShortError: the call may not finish in time.
    """
    if remaining_seconds < call_seconds + RESPONSE_RESERVE_SECONDS:
        raise DeadlineTooShortError


def call_within(seconds: float, call: Callable[[], Result]) -> Result:
    """Limit the time of a call that has no deadline of its own.

    The call runs in a thread, which cannot be stopped: after a timeout it continues in the
    background until its own timeout or the end of the process, and its result is discarded.

    Args:
        seconds: how long to wait.
        call: a function without arguments.

    Returns:
        What the call returns.

    Raises:
        TimeoutError: the call has not finished in time.
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
