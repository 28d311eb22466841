"""The schedule of the serverless containers that are kept warm."""

from collections.abc import Sequence

from pydantic import Field

from stacks.settings.schedule import ScheduleEntry

_NAME = "serving.serverless_provisioned_concurrency_schedule"


class ServerlessConcurrencySchedule(ScheduleEntry):
    """From a time of day on, how many serverless containers are kept warm."""

    schedule = _NAME

    # docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-autoscale.html: at least 1
    provisioned_concurrency: int = Field(
        ge=1, le=200, description="Containers that are kept warm from then on."
    )


def check_concurrency(
    provisioned: int, schedule: Sequence[ServerlessConcurrencySchedule], maximum: int
) -> None:
    """Refuse more containers that are kept warm than may run at once, and a schedule of none.

    Args:
        provisioned: as `serving.serverless_provisioned_concurrency`.
        schedule: other values of it by time of day.
        maximum: as `serving.serverless_max_concurrency`.

    Raises:
        ValueError: SageMaker would refuse it.
    """
    values = {"serving.serverless_provisioned_concurrency": provisioned}
    if schedule:
        highest = max(entry.provisioned_concurrency for entry in schedule)
        values[f"{_NAME}: provisioned_concurrency"] = highest
    for name, value in values.items():
        if value > maximum:
            raise ValueError(
                f"{name} = {value}: expected at most serving.serverless_max_concurrency = {maximum}"
            )
    if schedule and provisioned == 0:
        raise ValueError(
            f"{_NAME} with serving.serverless_provisioned_concurrency = 0: SageMaker schedules the "
            "provisioned concurrency of an endpoint that was created with some, expected "
            "serverless_provisioned_concurrency = 1 or more, or no schedule"
        )
