"""The minutes of a trace at which a stage's schedule sets other bounds."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from local_cloud.autoscaling.policy import Bounds
from local_cloud.autoscaling.schedule import Schedule, ScheduleError, parse_schedule
from stacks.settings.capacity_schedule import CapacitySchedule
from tools.console import ToolError

# A Monday, as which a trace without a date begins.
MONDAY: Final = datetime(2026, 1, 5, tzinfo=UTC)
_WEEK_SECONDS: Final = 7 * 24 * 3600


def timetable(
    entries: Sequence[CapacitySchedule], *, start: datetime, minutes: int
) -> dict[int, Bounds]:
    """Return the bounds from a minute of a trace on.

    Those of minute 0 are what the last entry of the week before has set, if there is one.

    Args:
        entries: the stage's schedule.
        start: of the trace.
        minutes: how long the trace is.

    Raises:
        ToolError: the machine does not know a time zone.
    """
    first, last = start.timestamp(), start.timestamp() + 60 * (minutes - 1)
    found: list[tuple[float, Bounds]] = []
    for entry in entries:
        schedule = _schedule(entry, first)
        bounds = Bounds(entry.min_instance_count, entry.max_instance_count)
        moment = schedule.next_run(first - _WEEK_SECONDS - 1)
        while moment is not None and moment <= last:
            found.append((moment, bounds))
            moment = schedule.next_run(moment)
    found.sort(key=lambda each: each[0])
    return {max(0, int((moment - first) // 60)): bounds for moment, bounds in found}


def _schedule(entry: CapacitySchedule, created: float) -> Schedule:
    try:
        return parse_schedule(f"cron({entry.cron})", entry.time_zone, created=created)
    except ScheduleError as error:
        raise ToolError(f"serving.capacity_schedule: {error}") from error
