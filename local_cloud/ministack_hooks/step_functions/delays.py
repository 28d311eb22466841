"""Waiting of Wait states and between retries.

MiniStack waits for 60 seconds at most before a retry, and cannot be interrupted.
"""

import random
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions

from local_cloud.clock import Clock
from local_cloud.ministack_hooks.step_functions.runs import current_run

_retry_seconds: ContextVar[float | None] = ContextVar("retry_seconds", default=None)


def install_delays(clock: Clock) -> None:
    """Wait as long as a state says, or until the execution ends.

    Args:
        clock: how long AWS's seconds take here.
    """
    stepfunctions._find_matching_retrier = _with_delay(stepfunctions._find_matching_retrier)
    stepfunctions._scaled_sleep = _interruptible(stepfunctions._scaled_sleep, clock)


def _with_delay(original: Callable[..., Any]) -> Callable[..., Any]:
    """Compute a retry's delay as AWS does."""

    def find(retriers: list[dict[str, Any]], error: str, counts: dict[int, int]) -> Any:
        retrier, index = original(retriers, error, counts)
        if retrier is not None:
            rate = retrier.get("BackoffRate", 2.0)
            delay = retrier.get("IntervalSeconds", 1) * rate ** counts.get(index, 0)
            delay = min(delay, retrier.get("MaxDelaySeconds", delay))
            if retrier.get("JitterStrategy") == "FULL":
                delay = random.uniform(0, delay)  # noqa: S311 - spreads retries, is no secret
            _retry_seconds.set(delay)
        return retrier, index

    return find


def _interruptible(original: Callable[[float], None], clock: Clock) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        delay = _retry_seconds.get()
        _retry_seconds.set(None)
        run = current_run()
        if run is None:
            original(seconds)
            return
        run.ended.wait(clock.real_seconds(seconds if delay is None else delay))
        run.check()

    return sleep
