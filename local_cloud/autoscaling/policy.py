"""What a target tracking policy of Application Auto Scaling wants, as a pure function.

The rules are our reading of these pages, and of what users report where they are silent:
docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-code-define.html

A target tracking policy makes two alarms of its own: one is raised when 3 datapoints in a row are
above the target, the other when 15 minutes in a row are below 90 % of it. A metric of shorter
periods only lets it scale out sooner ("your policy scales in at the same speed as it would for
standard metrics"). So scaling in takes 15 minutes, whatever the cooldown. The cooldown of scaling
out lets a larger addition through than the one that began it. A datapoint from before the last
change of the capacity does not count, and missing data never changes it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PERIODS_ABOVE: Final = 3
MINUTES_BELOW: Final = 15
_SHARE_OF_TARGET: Final = 0.9
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class TargetTracking:
    """A target tracking policy.

    Attributes:
        target: of the metric, which is a mean per instance.
        period_seconds: of the metric's datapoints.
        minute_seconds: how long a minute is in the same time.
    """

    target: float
    scale_out_cooldown_seconds: float = 300.0
    scale_in_cooldown_seconds: float = 300.0
    period_seconds: float = 60.0
    minute_seconds: float = 60.0
    can_scale_in: bool = True

    @property
    def periods_of_a_minute(self) -> int:
        """How many datapoints a minute has."""
        return round(self.minute_seconds / self.period_seconds)

    @property
    def periods_below(self) -> int:
        """How many periods must be below the target before instances are removed."""
        return MINUTES_BELOW * self.periods_of_a_minute


@dataclass(frozen=True)
class Bounds:
    """The capacity of a scalable target."""

    minimum: int
    maximum: int

    def clamp(self, capacity: int) -> int:
        """Return the capacity within the bounds."""
        return max(self.minimum, min(self.maximum, capacity))


@dataclass(frozen=True, kw_only=True)
class ScalingState:
    """What is known of the fleet.

    Attributes:
        capacity: instances in service.
        changed_at: when the capacity changed last; datapoints from before it do not count.
        scaled_out_at: when a policy last added instances.
        scaled_in_at: when a policy last removed some.
        added: instances that policies have added in the running cooldown of scaling out.
    """

    capacity: int
    changed_at: float = -math.inf
    scaled_out_at: float = -math.inf
    scaled_in_at: float = -math.inf
    added: int = 0

    def may_scale_in(self, cooldown_seconds: float, now: float) -> bool:
        """Return whether the cooldown of the last scaling is over."""
        return now - max(self.scaled_in_at, self.scaled_out_at) >= cooldown_seconds

    def scale_out_base(self, cooldown_seconds: float, now: float) -> int:
        """Return the capacity that instances are added to.

        "While the scale-out cooldown period is in effect, the capacity added by the initiating
        scale-out activity is calculated as part of the desired capacity for the next scale-out
        activity": only a larger addition than that one has an effect.
        """
        is_cooling = now - self.scaled_out_at < cooldown_seconds
        return self.capacity - (self.added if is_cooling else 0)


@dataclass(frozen=True)
class Proposal:
    """The capacity that one policy wants.

    Attributes:
        capacity: without regard to the bounds.
        cause: why.
        base: the capacity that the policy added to.
    """

    capacity: int
    cause: str
    base: int


def track(
    datapoints: Sequence[float | None],
    policy: TargetTracking,
    fleet: ScalingState,
    *,
    ended_at: float,
    now: float,
) -> Proposal | None:
    """Return the capacity that a target tracking policy wants, None for no change.

    A proposal for the present capacity or less means that the policy is ready to scale in.

    Args:
        datapoints: of the last `policy.periods_below` periods, the oldest first; None where
            there is none.
        policy: the policy.
        fleet: the fleet, which no other change is in progress of.
        ended_at: when the last period ended.
        now: the time, in seconds as all others.
    """
    above = _since(datapoints, fleet.changed_at, policy.period_seconds, ended_at)[-PERIODS_ABOVE:]
    if len(above) == PERIODS_ABOVE and all(value > policy.target for value in above):
        base = fleet.scale_out_base(policy.scale_out_cooldown_seconds, now)
        missing = _needed(fleet.capacity, above[-1], policy.target) - fleet.capacity
        if base + missing <= fleet.capacity:
            return None
        cause = f"{PERIODS_ABOVE} datapoints above {policy.target:g}"
        return Proposal(base + missing, cause, base)
    limit = policy.target * _SHARE_OF_TARGET
    below = _highest_of_minutes(datapoints, policy, fleet.changed_at, ended_at)
    if (
        policy.can_scale_in
        and below
        and all(value < limit for value in below)
        and fleet.may_scale_in(policy.scale_in_cooldown_seconds, now)
    ):
        needed = _needed(fleet.capacity, max(below), policy.target)
        return Proposal(needed, f"{MINUTES_BELOW} minutes below {limit:g}", fleet.capacity)
    return None


def _since(
    datapoints: Sequence[float | None], changed_at: float, period: float, ended_at: float
) -> list[float]:
    """Return the latest datapoints without a gap, of periods that began after a change."""
    counted: list[float] = []
    for age, value in enumerate(reversed(datapoints)):
        began = ended_at - (age + 1) * period
        if value is None or began < changed_at:
            break
        counted.insert(0, value)
    return counted


def _highest_of_minutes(
    datapoints: Sequence[float | None], policy: TargetTracking, changed_at: float, ended_at: float
) -> list[float]:
    """Return the highest datapoint of each minute before the end; none if not each has one.

    A minute of several periods may miss some, which a sample every ten seconds can.
    """
    count, size = policy.periods_below, policy.periods_of_a_minute
    if len(datapoints) < count or ended_at - count * policy.period_seconds < changed_at:
        return []
    latest = datapoints[-count:]
    minutes = [
        [value for value in latest[first : first + size] if value is not None]
        for first in range(0, count, size)
    ]
    return [max(minute) for minute in minutes] if all(minutes) else []


def _needed(capacity: int, value: float, target: float) -> int:
    return math.ceil(capacity * value / target - _ROUNDING)
