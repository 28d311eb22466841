"""Runs what happens by itself as time passes: metrics, alarms, scaling."""

import contextvars
import logging
import threading
from collections.abc import Callable, Sequence

from local_cloud.clock import Clock

logger = logging.getLogger(__name__)

# CloudWatch's shortest period is a sixth of a minute.
_TICKS_A_MINUTE = 6


def start_pulse(ticks: Sequence[Callable[[], None]], clock: Clock) -> None:
    """Call the functions one after another, six times a minute, until the process ends.

    They run in a copy of the caller's context: the emulator keeps the account and the region in it.
    """

    def run() -> None:
        while True:
            clock.sleep(clock.minute_seconds / _TICKS_A_MINUTE)
            for tick in ticks:
                try:
                    tick()
                except Exception:
                    logger.exception("%s failed", tick)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), daemon=True, name="pulse").start()
