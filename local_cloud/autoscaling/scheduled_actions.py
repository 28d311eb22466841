"""Runs the scheduled actions of scalable targets when they are due."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.applicationautoscaling.models import FakeScalableTarget, FakeScheduledAction

from local_cloud.autoscaling.activities import Activities
from local_cloud.autoscaling.records import ScalingRecords
from local_cloud.autoscaling.resources import TargetKey
from local_cloud.autoscaling.schedule import Schedule, parse_schedule
from local_cloud.clock import Clock
from local_cloud.sagemaker.moto_backend import Scope

_ActionKey = tuple[TargetKey, str]


@dataclass(frozen=True)
class _Due:
    """An action, the time at which it was due, and its target."""

    at: float
    action: FakeScheduledAction
    key: TargetKey
    target: FakeScalableTarget


class ScheduledActions:
    """Sets the bounds of scalable targets by their schedules.

    Args:
        activities: records what was done.
        clock: the time; schedules follow AWS's, which shorter minutes let run faster.
    """

    def __init__(self, activities: Activities, clock: Clock) -> None:
        self._activities, self._clock = activities, clock
        self._seen: dict[_ActionKey, float] = {}

    def run(self, scope: Scope) -> None:
        """Apply the actions that have become due, in the order of their times."""
        now = self._clock.aws_time(self._clock.now())
        for due in sorted(self._due(scope, now), key=lambda each: each.at):
            self._apply(due)

    def _due(self, scope: Scope, now: float) -> Iterator[_Due]:
        known: dict[_ActionKey, float] = {}
        records = ScalingRecords(scope)
        registered = [
            (key, target, action)
            for key, target in records.targets()
            for action in records.scheduled_actions(key)
        ]
        for key, target, action in registered:
            name = (key, action.scheduled_action_name)
            put_at = self._clock.aws_time(action.creation_time)
            # An action that was deleted and put again is a new one.
            since = max(self._seen.get(name, put_at), put_at)
            known[name] = now
            at = _schedule_of(action, put_at).last_run(since, now)
            suspended = (target.suspended_state or {}).get("ScheduledScalingSuspended", False)
            if at is not None and not suspended:
                yield _Due(at, action, key, target)
        others = {name: at for name, at in self._seen.items() if name[0].scope != scope}
        self._seen = others | known

    def _apply(self, due: _Due) -> None:
        wanted: dict[str, int] = due.action.scalable_target_action or {}
        minimum = int(wanted.get("MinCapacity", due.target.min_capacity))
        maximum = int(wanted.get("MaxCapacity", due.target.max_capacity))
        activity = self._activities.begin(
            due.key,
            description=f"Setting min capacity to {minimum} and max capacity to {maximum}",
            cause=f"scheduled action name {due.action.scheduled_action_name} was triggered",
        )
        if minimum > maximum:
            activity.end(
                "Failed",
                f"The minimum capacity {minimum} is greater than the maximum capacity {maximum}.",
                self._clock.now(),
            )
            return
        due.target.min_capacity, due.target.max_capacity = minimum, maximum
        activity.end(
            "Successful",
            f"Successfully set min capacity to {minimum} and max capacity to {maximum}",
            self._clock.now(),
        )


def _schedule_of(action: FakeScheduledAction, put_at: float) -> Schedule:
    return parse_schedule(
        action.schedule, action.timezone or "UTC",
        created=put_at, start=_seconds(action.start_time), end=_seconds(action.end_time),
    )  # fmt: skip


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)
