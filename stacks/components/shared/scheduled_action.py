"""A scheduled action of a scalable target."""

from aws_cdk import aws_applicationautoscaling as autoscaling

from stacks.settings.schedule import ScheduleEntry

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
