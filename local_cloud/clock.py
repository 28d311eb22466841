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
        origin: when AWS's time is the real one; shorter minutes let it run faster from then on.
    """

    minute_seconds: float = AWS_MINUTE_SECONDS
    now: Callable[[], float] = field(default=time.time)
    sleep: Callable[[float], None] = field(default=time.sleep)
    origin: float = field(default_factory=time.time)

    def real_seconds(self, seconds: float) -> float:
        """Return how long a period takes here.

        Args:
            seconds: AWS's.
        """
        return seconds * self.minute_seconds / AWS_MINUTE_SECONDS

    def aws_time(self, real_time: float) -> float:
        """Return the date and time of schedules, in seconds since 1970, at a real time."""
        if self.minute_seconds == AWS_MINUTE_SECONDS:
            return real_time
        passed = real_time - self.origin
        return self.origin + passed * AWS_MINUTE_SECONDS / self.minute_seconds


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
