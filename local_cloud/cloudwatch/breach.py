"""An alarm that acts, such as on a step scaling policy."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Breach:
    """An alarm whose state has an action, and its datapoints.

    Attributes:
        values: the metric's datapoints of the alarm's periods, the oldest first.
    """

    alarm_name: str
    threshold: float
    values: Sequence[float | None]
