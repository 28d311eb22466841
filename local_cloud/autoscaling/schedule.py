"""When a scheduled action of Application Auto Scaling runs.

docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScheduledAction.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local_cloud.autoscaling.cron import Cron, parse_cron

_UNIT_SECONDS: Final = {"minute": 60, "hour": 3600, "day": 24 * 3600}
_EXPECTED: Final = (
    "expected at(yyyy-mm-ddThh:mm:ss), rate(value minutes|hours|days) or cron() with six fields"
)


class ScheduleError(ValueError):
    """A schedule is not valid; the message says why and what is expected."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The times at which an action runs.

    Attributes:
        next_time: returns the first time of the expression after another, None for none.
        start: the first run of a recurring schedule; earlier times do not count.
        end: no run is later.
    """

    next_time: Callable[[float], float | None]
    start: float | None = None
    end: float | None = None

    def next_run(self, after: float) -> float | None:
        """Return the first run after a time, None for none; times are seconds since 1970."""
        if self.start is not None and after < self.start:
            found: float | None = self.start
        else:
            found = self.next_time(after)
        if found is not None and self.end is not None and found > self.end:
            return None
        return found

    def last_run(self, after: float, until: float) -> float | None:
        """Return the last run in (after, until], None for none."""
        last = None
        while (found := self.next_run(after)) is not None and found <= until:
            last = after = found
        return last


def parse_schedule(
    expression: str,
    time_zone: str = "UTC",
    *,
    created: float,
    start: float | None = None,
    end: float | None = None,
) -> Schedule:
    """Return when a scheduled action runs.

    Args:
        expression: `at(...)`, `rate(...)` or `cron(...)`.
        time_zone: of at and cron.
        created: when the action was put; a rate without a start counts from then.
        start: the first run of a rate or cron, in seconds since 1970.
        end: no run is later.

    Raises:
        ScheduleError: the expression or the time zone is not valid.
    """
    kind, _, rest = expression.partition("(")
    content = rest.removesuffix(")")
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ScheduleError(f"Unknown time zone {time_zone!r}: expected such as UTC") from error
    if not rest.endswith(")"):
        raise ScheduleError(f"Schedule {expression!r} is not valid: {_EXPECTED}")
    if kind == "at":
        # Once, at its own time; start and end are for what recurs.
        return Schedule(next_time=_once(_moment(expression, content, zone)))
    if kind == "rate":
        return Schedule(
            next_time=_rate(_interval(expression, content), created if start is None else start),
            start=start, end=end,
        )  # fmt: skip
    if kind == "cron":
        cron = _cron(expression, content)
        return Schedule(next_time=lambda after: cron.next_time(after, zone), start=start, end=end)
    raise ScheduleError(f"Schedule {expression!r} is not valid: {_EXPECTED}")


def _once(moment: float) -> Callable[[float], float | None]:
    return lambda after: moment if moment > after else None


def _rate(interval: float, origin: float) -> Callable[[float], float | None]:
    return lambda after: origin + ((after - origin) // interval + 1) * interval


def _moment(expression: str, content: str, zone: ZoneInfo) -> float:
    try:
        moment = datetime.strptime(content, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone)
    except ValueError as error:
        raise ScheduleError(f"Schedule {expression!r} is not valid: {_EXPECTED}") from error
    return moment.timestamp()


def _interval(expression: str, content: str) -> float:
    parts = re.fullmatch(r"([1-9]\d{0,8}) (minute|hour|day)(s?)", content)
    if not parts:
        raise ScheduleError(f"Schedule {expression!r} is not valid: {_EXPECTED}")
    return float(int(parts[1]) * _UNIT_SECONDS[parts[2]])


def _cron(expression: str, content: str) -> Cron:
    try:
        return parse_cron(content)
    except ValueError as error:
        raise ScheduleError(f"Schedule {expression!r} is not valid: {error}") from error
