"""Traffic over time: requests in each minute, from a file or one of some typical shapes."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.console import ToolError

_DAY: Final = 24 * 60
_MAX_MINUTES: Final = 31 * _DAY
_EXPECTED: Final = (
    "expected a CSV file with the columns minute and requests: whole minutes from 0, one row for "
    "each that has requests"
)

Trace = list[float]


def _day(minute: int) -> float:
    """Few requests at night, the most in the afternoon."""
    return max(0.02, 0.5 - 0.5 * math.cos(2 * math.pi * (minute - 3 * 60) / _DAY))


def _spike(minute: int) -> float:
    """A tenth of the peak, and ten minutes of the peak."""
    return 1.0 if 60 <= minute < 70 else 0.1


def _step(minute: int) -> float:
    """A tenth of the peak, then the peak for two hours."""
    return 1.0 if 60 <= minute < 180 else 0.1


def _weekend(minute: int) -> float:
    """A week: five days and two with a fifth of the requests."""
    return _day(minute % _DAY) * (1.0 if minute < 5 * _DAY else 0.2)


# The share of the peak in a minute, and the number of minutes.
SHAPES: Final[dict[str, tuple[Callable[[int], float], int]]] = {
    "day": (_day, _DAY),
    "spike": (_spike, 4 * 60),
    "step": (_step, 5 * 60),
    "weekend": (_weekend, 7 * _DAY),
}


def shaped(name: str, peak_per_second: float) -> Trace:
    """Return a typical trace.

    Args:
        name: one of `SHAPES`.
        peak_per_second: requests a second in its busiest minute.
    """
    shape, minutes = SHAPES[name]
    return [60 * peak_per_second * shape(minute) for minute in range(minutes)]


def read_trace(path: Path) -> Trace:
    """Return the requests of each minute of a CSV file.

    Raises:
        ToolError: the file cannot be read, or a row is not valid; the message names it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"{path} cannot be read ({error}); {_EXPECTED}") from error
    rows = csv.DictReader(text.splitlines())
    if rows.fieldnames is None or not {"minute", "requests"} <= set(rows.fieldnames):
        raise ToolError(f"{path} has no columns minute and requests; {_EXPECTED}")
    found: dict[int, float] = {}
    for row in rows:
        minute, requests = _row(path, rows.line_num, row)
        found[minute] = found.get(minute, 0.0) + requests
    if not found:
        raise ToolError(f"{path} has no rows; {_EXPECTED}")
    return [found.get(minute, 0.0) for minute in range(max(found) + 1)]


def _row(path: Path, line: int, row: dict[str, str]) -> tuple[int, float]:
    try:
        minute, requests = int(row["minute"]), float(row["requests"])
        is_valid = 0 <= minute < _MAX_MINUTES and 0 <= requests < math.inf
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise ToolError(
            f"{path}, line {line}: {row.get('minute')!r}, {row.get('requests')!r}: expected a "
            f"whole minute below {_MAX_MINUTES} and a number of requests from 0"
        )
    return minute, requests
