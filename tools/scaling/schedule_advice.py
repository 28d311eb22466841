"""Which schedule of the minimum suits traffic that is the same every day."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import StatisticsError, correlation, median
from typing import Final

from stacks.settings.capacity_schedule import CapacitySchedule
from tools.scaling.advice import Advice

_HOURS: Final = 24
_DAY: Final = _HOURS * 60
# Of the hours of one day with those of the next.
_MIN_CORRELATION: Final = 0.8
# Instances are started this long before the hour that needs them: the slowest start takes 10.
_AHEAD_MINUTES: Final = 15


def repeats_daily(trace: Sequence[float]) -> bool:
    """Return whether the hours of a day are like those of the day before."""
    days = [
        [sum(trace[hour : hour + 60]) for hour in range(first, first + _DAY, 60)]
        for first in range(0, len(trace) - _DAY + 1, _DAY)
    ]
    if len(days) < 2:
        return False
    return median(_likeness(*each) for each in pairwise(days)) >= _MIN_CORRELATION


def advise_schedule(
    trace: Sequence[float], advice: Advice, *, per_instance_per_minute: float, start: datetime
) -> tuple[CapacitySchedule, ...]:
    """Return the entries that follow the busiest minute of each hour; empty: all hours are alike.

    Args:
        trace: requests of each minute.
        advice: the settings; the schedule raises the minimum.
        per_instance_per_minute: requests that the fleet is to be large enough for.
        start: of the trace, in UTC.
    """
    busiest = [0.0] * _HOURS
    offset = start.hour * 60 + start.minute
    for minute, requests in enumerate(trace):
        hour = (offset + minute) // 60 % _HOURS
        busiest[hour] = max(busiest[hour], requests)
    needed = [
        min(advice.maximum, max(advice.minimum, math.ceil(requests / per_instance_per_minute)))
        for requests in busiest
    ]
    return tuple(
        _entry(hour, needed[hour - 1], needed[hour], advice.maximum)
        for hour in range(_HOURS)
        if needed[hour] != needed[hour - 1]
    )


def _entry(hour: int, before: int, count: int, maximum: int) -> CapacitySchedule:
    minute = (hour * 60 - (_AHEAD_MINUTES if count > before else 0)) % _DAY
    return CapacitySchedule(
        cron=f"{minute % 60} {minute // 60} * * ? *",
        time_zone="UTC",
        min_instance_count=count,
        max_instance_count=maximum,
    )


def _likeness(day: Sequence[float], following: Sequence[float]) -> float:
    try:
        return correlation(day, following)
    except StatisticsError:  # the same requests in every hour
        return 0.0
