"""The times of an AWS cron expression.

docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

import calendar
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

# From one 29 February to the next, across a year such as 2100.
_MAX_DAYS: Final = 366 * 9
_MONTHS: Final = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS: Final = {
    name: number
    for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)
}
_NO_NAMES: Final[Mapping[str, int]] = {}
_Rule = Callable[[date], bool]


@dataclass(frozen=True)
class Cron:
    """The times at which a cron expression is due.

    Attributes:
        minutes: of an hour, ascending.
        hours: of a day, ascending.
        is_due: returns whether an expression is due on a day.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    is_due: _Rule

    def next_time(self, after: float, zone: ZoneInfo) -> float | None:
        """Return the first time after another, None for none in the next nine years.

        A time that a change of the clocks leaves out is not due; one that it repeats is due once.

        Args:
            after: seconds since 1970.
            zone: of the expression.
        """
        first = datetime.fromtimestamp(after, zone).date()
        for days in range(_MAX_DAYS):
            day = first + timedelta(days=days)
            if self.is_due(day):
                for moment in self._times(day, zone):
                    if moment > after:
                        return moment
        return None

    def _times(self, day: date, zone: ZoneInfo) -> Iterator[float]:
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                if local.astimezone(UTC).astimezone(zone).replace(fold=0) == local:
                    yield local.timestamp()


def parse_cron(expression: str) -> Cron:
    """Return the times of an expression.

    Args:
        expression: six fields, without `cron()`.

    Raises:
        ValueError: the expression is not valid; the message names the field.
    """
    fields = expression.split(" ")
    if len(fields) != len(_FIELDS) or (fields[2] == "?") == (fields[4] == "?"):
        raise ValueError("expected six fields, one of the two days being ?")
    minutes, hours, days, months, weekdays, years = (
        _checked(name, field, read) for (name, read), field in zip(_FIELDS, fields, strict=True)
    )
    return Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        is_due=lambda day: (
            day.month in months and day.year in years and days(day) and weekdays(day)
        ),
    )


def _checked(name: str, field: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(field)
    except ValueError as error:
        raise ValueError(f"{name} = {field!r}: {error}") from error


def _values(
    field: str, first: int, last: int, names: Mapping[str, int] = _NO_NAMES
) -> frozenset[int]:
    """Return the numbers that a field names."""

    def number(text: str) -> int:
        value = names.get(text, int(text) if text.isdecimal() else -1)
        if not first <= value <= last:
            raise ValueError(f"expected {first} to {last}, a range, a list or a step, or *")
        return value

    found: set[int] = set()
    for entry in field.split(","):
        span, slash, step = entry.partition("/")
        if slash and not (step.isdecimal() and int(step) > 0):
            raise ValueError("expected a whole number above 0 as the step")
        start, dash, end = span.partition("-")
        begin = first if span == "*" else number(start)
        until = number(end) if dash else last if span == "*" or slash else begin
        if until < begin:  # such as FRI-MON
            until += last - first + 1
        for value in range(begin, until + 1, int(step or 1)):
            found.add(first + (value - first) % (last - first + 1))
    return frozenset(found)


def _day_rule(field: str) -> _Rule:
    if field == "?":
        return lambda _day: True
    rules = [_day_entry(entry) for entry in field.split(",")]
    return lambda day: any(rule(day) for rule in rules)


def _day_entry(entry: str) -> _Rule:
    if entry in {"L", "LW"}:
        return lambda day: day.day == _special(entry, day)
    if entry.endswith("W"):
        _values(entry.removesuffix("W"), 1, 31)
        return lambda day: day.day == _special(entry, day)
    numbers = _values(entry, 1, 31)
    return lambda day: day.day in numbers


def _special(entry: str, day: date) -> int:
    """Return the day of the month of L, LW or 15W."""
    last = calendar.monthrange(day.year, day.month)[1]
    if entry == "L":
        return last
    wanted = last if entry == "LW" else min(int(entry.removesuffix("W")), last)
    weekday = date(day.year, day.month, wanted).weekday()
    if weekday == calendar.SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == calendar.SUNDAY:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted


def _weekday_rule(field: str) -> _Rule:
    if field == "?":
        return lambda _day: True
    rules = [_weekday_entry(entry) for entry in field.split(",")]
    return lambda day: any(rule(day) for rule in rules)


def _weekday_entry(entry: str) -> _Rule:
    name, hash_sign, count = entry.partition("#")
    if entry == "L":
        return lambda day: _weekday(day) == _WEEKDAYS["SAT"]
    if hash_sign:
        if count not in {"1", "2", "3", "4", "5"}:
            raise ValueError("expected 1 to 5 after #")
        wanted = _values(name, 1, 7, _WEEKDAYS)
        return lambda day: _weekday(day) in wanted and (day.day - 1) // 7 + 1 == int(count)
    if entry.endswith("L"):
        wanted = _values(entry.removesuffix("L"), 1, 7, _WEEKDAYS)
        return lambda day: (
            _weekday(day) in wanted and day.day + 7 > calendar.monthrange(day.year, day.month)[1]
        )
    numbers = _values(entry, 1, 7, _WEEKDAYS)
    return lambda day: _weekday(day) in numbers


def _weekday(day: date) -> int:
    """Return AWS's number of a weekday: 1 is Sunday."""
    return day.isoweekday() % 7 + 1


# In the order of an expression: the name in errors, and what reads the field.
_FIELDS: Final[tuple[tuple[str, Callable[[str], Any]], ...]] = (
    ("minutes", lambda field: _values(field, 0, 59)),
    ("hours", lambda field: _values(field, 0, 23)),
    ("day of month", _day_rule),
    ("month", lambda field: _values(field, 1, 12, _MONTHS)),
    ("day of week", _weekday_rule),
    ("year", lambda field: _values(field, 1970, 2199)),
)
