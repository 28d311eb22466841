"""The time of the local cloud: a minute of CloudWatch, scaling and rollouts may be shorter."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

# Shorter minutes than half a second have no time for the samples in them.
MIN_MINUTE_SECONDS = 0.5
MAX_MINUTE_SECONDS = 60.0
_SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True)
class Clock:
    """Tells the time and how long a period of AWS takes.

    Attributes:
        minute_seconds: the real seconds of one minute of AWS; 60 is AWS's own.
        now: returns the real time in seconds since 1970; tests replace it.
        sleep: waits real seconds.
    """

    minute_seconds: float = _SECONDS_PER_MINUTE
    now: Callable[[], float] = field(default=time.time)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def real_seconds(self, seconds: float) -> float:
        """Return how long a period takes here.

        Args:
            seconds: AWS's.
        """
        return seconds * self.minute_seconds / _SECONDS_PER_MINUTE
