"""The time of the local cloud: a minute of CloudWatch, scaling and rollouts may be shorter."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# Shorter minutes than half a second have no time for the samples in them.
MIN_MINUTE_SECONDS = 0.5
AWS_MINUTE_SECONDS = 60.0


@dataclass(frozen=True)
class Clock:
    """Tells the time and how long a period of AWS takes.

    Attributes:
        minute_seconds: the real seconds of one minute of AWS; 60 is AWS's own.
        now: returns the real time in seconds since 1970; tests replace it.
        sleep: waits real seconds.
    """

    minute_seconds: float = AWS_MINUTE_SECONDS
    now: Callable[[], float] = field(default=time.time)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def real_seconds(self, seconds: float) -> float:
        """Return how long a period takes here.

        Args:
            seconds: AWS's.
        """
        return seconds * self.minute_seconds / AWS_MINUTE_SECONDS


def minute_of(text: str) -> float:
    """Return the seconds that a command line gives for a minute; a type of argparse."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not MIN_MINUTE_SECONDS <= seconds <= AWS_MINUTE_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected {MIN_MINUTE_SECONDS:g} to {AWS_MINUTE_SECONDS:g} seconds"
        )
    return seconds
