"""Scheduled actions of a scalable target."""

from collections.abc import Sequence

from aws_cdk import aws_applicationautoscaling as autoscaling

from stacks.settings.api import ConcurrencySchedule
from stacks.settings.schedule import ScheduleEntry
from stacks.settings.serverless_schedule import ServerlessConcurrencySchedule

_Target = autoscaling.CfnScalableTarget


def scheduled_action(
    name: str, entry: ScheduleEntry, *, minimum: int, maximum: int
) -> _Target.ScheduledActionProperty:
    """Return the action that sets a target's bounds.

    Args:
        name: unique in the target.
        entry: when.
        minimum: capacity from then on.
        maximum: capacity from then on.
    """
    return _Target.ScheduledActionProperty(
        scheduled_action_name=name,
        schedule=f"cron({entry.cron})",
        timezone=entry.time_zone,
        scalable_target_action=_Target.ScalableTargetActionProperty(
            min_capacity=minimum, max_capacity=maximum
        ),
    )


def concurrency_actions(
    schedule: Sequence[ConcurrencySchedule | ServerlessConcurrencySchedule],
) -> list[_Target.ScheduledActionProperty]:
    """Return the actions that set a target's provisioned concurrency.

    Args:
        schedule: of the stage.
    """
    return [
        scheduled_action(
            f"provisioned-concurrency-{index}",
            entry,
            minimum=entry.provisioned_concurrency,
            maximum=entry.provisioned_concurrency,
        )
        for index, entry in enumerate(schedule, start=1)
    ]
