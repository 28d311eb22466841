"""When an entry of a schedule applies."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from stacks.settings.base import Settings, text
from stacks.settings.cron import cron_problem
from stacks.settings.time_zones import time_zone_problem

_CRON_FIELD = "[0-9A-Z*,/#-]+"

Cron = Annotated[
    str,
    text(
        rf"{_CRON_FIELD} {_CRON_FIELD} "
        rf"(\? {_CRON_FIELD} {_CRON_FIELD}|{_CRON_FIELD} {_CRON_FIELD} \?) {_CRON_FIELD}",
        'six fields such as "0 7 ? * MON-FRI *", one of the two days being ?',
    ),
]
TimeZone = Annotated[
    str, text(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", "a time zone such as UTC or Europe/Berlin")
]


class ScheduleEntry(Settings):
    """An entry of a schedule, which applies from a time of day on."""

    # The setting's name, for errors.
    schedule: ClassVar[str]

    cron: Cron = Field(
        description="When: minutes, hours, day of month, month, day of week and year, as AWS "
        "writes them."
    )
    time_zone: TimeZone = Field(description="Time zone of `cron`.")

    @model_validator(mode="after")
    def _check_time(self) -> Self:
        for key, value, problem in (
            ("cron", self.cron, cron_problem(self.cron)),
            ("time_zone", self.time_zone, time_zone_problem(self.time_zone)),
        ):
            if problem is not None:
                raise ValueError(f"{self.schedule}: {key} = {value!r}: {problem}")
        return self
