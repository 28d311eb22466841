"""The grammar of AWS's cron expressions."""

import re
from dataclasses import dataclass

_DAYS = r"0?[1-9]|[12]\d|3[01]"
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_WEEKDAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"


@dataclass(frozen=True)
class _Field:
    """One field of an expression.

    Attributes:
        name: its name in errors.
        value: regular expression of a single value.
        expected: the values in words.
        special: regular expression of what else an entry of the list may be; empty: nothing.
    """

    name: str
    value: str
    expected: str
    special: str = ""

    def accepts(self, text: str) -> bool:
        """Return whether this is `*`, a value, a range, one of them with a step, or a list."""
        span = rf"(\*|({self.value})(-({self.value}))?)(/[1-9]\d{{0,2}})?"
        entry = rf"({span}|{self.special})" if self.special else rf"({span})"
        return re.fullmatch(rf"{entry}(,{entry})*", text) is not None


# In the order of an expression; "Cron expressions" in the user guide of Application Auto Scaling.
# One of the two days is always ?, which the caller has checked.
_FIELDS = (
    _Field("minutes", r"[0-5]?\d", "0 to 59"),
    _Field("hours", r"[01]?\d|2[0-3]", "0 to 23"),
    _Field("day of month", _DAYS, "1 to 31, L or 15W", rf"\?|LW?|({_DAYS})W"),
    _Field("month", rf"0?[1-9]|1[0-2]|{_MONTHS}", "1 to 12 or JAN to DEC"),
    _Field(
        "day of week",
        rf"[1-7]|{_WEEKDAYS}",
        "1 to 7 or SUN to SAT (1 is SUN), L, 6L or 6#2",
        rf"\?|L|([1-7]|{_WEEKDAYS})(L|#[1-5])",
    ),
    _Field("year", r"19[7-9]\d|2[01]\d\d", "1970 to 2199"),
)


def cron_problem(expression: str) -> str | None:
    """Return what is wrong with an expression, or None.

    Args:
        expression: six fields, separated by single spaces, without `cron()`.
    """
    for field, text in zip(_FIELDS, expression.split(" "), strict=True):
        if not field.accepts(text):
            return (
                f"{field.name} = {text!r}: expected {field.expected}, or *; ranges (1-5), "
                "lists (1,3) and steps (0/15) of them"
            )
    return None
