"""What a step scaling policy of Application Auto Scaling wants, as a pure function.

docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from local_cloud.autoscaling.policy import Proposal, ScalingState
from local_cloud.cloudwatch.breach import Breach

AdjustmentType = Literal["ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"]
Aggregation = Literal["Average", "Minimum", "Maximum"]
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Step:
    """What to do where the metric is so far from the alarm's threshold.

    Attributes:
        lower: of the metric minus the threshold.
        upper: of the metric minus the threshold.
        adjustment: instances, or percent.
    """

    lower: float = -math.inf
    upper: float = math.inf
    adjustment: int

    def applies(self, difference: float) -> bool:
        """Return whether a metric minus its threshold is in this step's interval.

        The bound that is nearer to the threshold belongs to the interval, the other does not.
        """
        if difference > 0:
            return self.lower <= difference < self.upper
        if difference < 0:
            return self.lower < difference <= self.upper
        return self.lower <= 0 <= self.upper


@dataclass(frozen=True, kw_only=True)
class StepScaling:
    """A step scaling policy.

    Attributes:
        steps: in the order of their intervals, which leave no gap.
        min_adjustment_magnitude: instances that a change in percent adds or removes at least.
        aggregation: makes one value of the alarm's datapoints.
    """

    adjustment_type: AdjustmentType
    steps: Sequence[Step]
    min_adjustment_magnitude: int = 0
    cooldown_seconds: float = 300.0
    aggregation: Aggregation = "Average"


def problem_of_steps(steps: Sequence[Step]) -> str | None:
    """Return which of AWS's rules the intervals break, None for none."""
    ordered = sorted(steps, key=lambda step: step.lower)
    if not ordered:
        return "there is no step adjustment"
    for step in ordered:
        if math.isinf(step.lower) and math.isinf(step.upper) and len(ordered) > 1:
            return "the ranges of the step adjustments overlap"
        if step.lower >= step.upper:
            return "an upper bound is not greater than its lower bound"
    for before, after in itertools.pairwise(ordered):
        if before.upper != after.lower:
            return "the ranges of the step adjustments overlap or have a gap"
    if -math.inf < ordered[0].lower < 0:
        return "a lower bound is negative, and no step adjustment is without a lower bound"
    if 0 < ordered[-1].upper < math.inf:
        return "an upper bound is positive, and no step adjustment is without an upper bound"
    return None


def step(
    breach: Breach, policy: StepScaling, fleet: ScalingState, *, now: float
) -> Proposal | None:
    """Return the capacity that a step scaling policy wants, None for no change.

    While the cooldown of scaling out runs, what it has added counts as part of the next addition.

    Args:
        breach: the alarm.
        policy: the policy.
        fleet: the fleet.
        now: the time, in seconds as all others.
    """
    value = _aggregate(breach.values, policy.aggregation)
    if value is None:
        return None
    difference = value - breach.threshold
    # At the threshold itself two intervals meet: that of an alarm above it comes last.
    chosen = [each for each in policy.steps if each.applies(difference)]
    if not chosen:
        return None
    adjustment = max(chosen, key=lambda each: each.lower).adjustment
    cause = f"alarm {breach.alarm_name}: {value:g} is {difference:+g} from its threshold"
    if policy.adjustment_type == "ExactCapacity":
        return _allowed(Proposal(adjustment, cause, fleet.capacity), policy, fleet, now)
    base = fleet.capacity
    if adjustment > 0:
        base = fleet.scale_out_base(policy.cooldown_seconds, now)
    wanted = max(0, base + _change(base, adjustment, policy))
    if adjustment > 0:
        wanted = max(wanted, fleet.capacity)
    return _allowed(Proposal(wanted, cause, base), policy, fleet, now)


def _allowed(
    proposal: Proposal, policy: StepScaling, fleet: ScalingState, now: float
) -> Proposal | None:
    if proposal.capacity < fleet.capacity and not fleet.may_scale_in(policy.cooldown_seconds, now):
        return None
    return proposal


def _change(base: int, adjustment: int, policy: StepScaling) -> int:
    if policy.adjustment_type == "ChangeInCapacity" or adjustment == 0:
        return adjustment
    exact = abs(base * adjustment / 100)
    size = max(1, math.floor(exact + _ROUNDING), policy.min_adjustment_magnitude)
    return size if adjustment > 0 else -size


def _aggregate(values: Sequence[float | None], how: Aggregation) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if how == "Average":
        return sum(known) / len(known)
    return min(known) if how == "Minimum" else max(known)
