"""The schedule of the endpoint's instances."""

from typing import Self

from pydantic import Field, model_validator

from stacks.settings.schedule import ScheduleEntry


class CapacitySchedule(ScheduleEntry):
    """From a time of day on, other bounds of the number of instances."""

    schedule = "serving.capacity_schedule"

    min_instance_count: int = Field(ge=1, le=100, description="`min_instance_count` from then on.")
    max_instance_count: int = Field(ge=1, le=100, description="`max_instance_count` from then on.")

    @model_validator(mode="after")
    def _check_instance_counts(self) -> Self:
        if self.min_instance_count > self.max_instance_count:
            raise ValueError(
                f"{self.schedule}: min_instance_count = {self.min_instance_count}: expected at "
                f"most max_instance_count = {self.max_instance_count}"
            )
        return self
