"""Application Auto Scaling's decision for one scalable target, as a pure function of the time.

The local cloud and `make scaling` both call it. Where several policies disagree, we follow
"Multiple scaling policies" on
docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from local_cloud.autoscaling.policy import Bounds, Proposal, ScalingState, TargetTracking, track
from local_cloud.autoscaling.steps import StepScaling, step
from local_cloud.cloudwatch.breach import Breach

AT_MAXIMUM: Final = "AlreadyAtMaxCapacity"
AT_MINIMUM: Final = "AlreadyAtMinCapacity"
AT_DESIRED: Final = "AlreadyAtDesiredCapacity"


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A target tracking policy and its metric.

    Attributes:
        datapoints: of the last `policy.periods_below` periods, the oldest first; None where
            there is none.
        ended_at: when the last period ended.
    """

    policy_name: str
    policy: TargetTracking
    datapoints: Sequence[float | None]
    ended_at: float


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """A step scaling policy and the alarm that starts it now."""

    policy_name: str
    policy: StepScaling
    breach: Breach


@dataclass(frozen=True, kw_only=True)
class Suspended:
    """Which changes of policies are suspended."""

    scale_in: bool = False
    scale_out: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What happens to the capacity.

    Attributes:
        capacity: from now on.
        cause: why.
        policy_name: the policy's that decided it; None: the bounds did.
        base: the capacity that the policy added to.
        not_scaled: why the capacity stays as it is; None: it changes.
    """

    capacity: int
    cause: str
    policy_name: str | None = None
    base: int
    not_scaled: str | None = None


_NOTHING_SUSPENDED: Final = Suspended()


def decide(
    fleet: ScalingState,
    bounds: Bounds,
    *,
    tracked: Sequence[Tracked] = (),
    stepped: Sequence[Stepped] = (),
    suspended: Suspended = _NOTHING_SUSPENDED,
    now: float,
) -> Decision | None:
    """Return the change of the capacity now, None where no policy wants one.

    A capacity outside of the bounds changes at once, whatever the cooldown. The largest capacity
    that a policy wants wins. Target tracking policies scale in only together; a step scaling
    policy does so alone.

    Args:
        fleet: the fleet, which no other change is in progress of.
        bounds: of the capacity.
        tracked: the target tracking policies.
        stepped: the step scaling policies that an alarm starts now.
        suspended: which changes of policies are suspended.
        now: the time, in seconds as all others.
    """
    outside = _outside(fleet.capacity, bounds)
    if outside is not None:
        return outside
    tracking = [
        (each, track(each.datapoints, each.policy, fleet, ended_at=each.ended_at, now=now))
        for each in tracked
    ]
    tracking_proposals = [
        (each.policy_name, found) for each, found in tracking if found is not None
    ]
    steps = [(each.policy_name, step(each.breach, each.policy, fleet, now=now)) for each in stepped]
    stepping_proposals = [(name, found) for name, found in steps if found is not None]
    more = [
        each
        for each in (*tracking_proposals, *stepping_proposals)
        if each[1].capacity > fleet.capacity
    ]
    if more:
        return None if suspended.scale_out else _largest(more, fleet, bounds)
    if suspended.scale_in:
        return None
    if all(found is not None for each, found in tracking if each.policy.can_scale_in):
        # The one that keeps the most instances speaks for all.
        stepping_proposals += sorted(tracking_proposals, key=_capacity)[-1:]
    fewer = [each for each in stepping_proposals if each[1].capacity < fleet.capacity]
    return _largest(fewer or stepping_proposals, fleet, bounds)


def after(fleet: ScalingState, decision: Decision, *, now: float) -> ScalingState:
    """Return what is known of a fleet whose change has begun; its capacity follows later.

    Args:
        fleet: before.
        decision: the change.
        now: the time.
    """
    if decision.policy_name is None:
        return fleet
    if decision.capacity > fleet.capacity:
        return replace(fleet, scaled_out_at=now, added=decision.capacity - decision.base)
    return replace(fleet, scaled_in_at=now, added=0)


def _outside(capacity: int, bounds: Bounds) -> Decision | None:
    clamped = bounds.clamp(capacity)
    if clamped == capacity:
        return None
    name = "minimum" if clamped > capacity else "maximum"
    return Decision(
        capacity=clamped, cause=f"{name} capacity was set to {clamped}", base=capacity
    )  # fmt: skip


def _capacity(named: tuple[str, Proposal]) -> int:
    return named[1].capacity


def _largest(
    proposals: Sequence[tuple[str, Proposal]], fleet: ScalingState, bounds: Bounds
) -> Decision | None:
    if not proposals:
        return None
    name, proposal = max(proposals, key=_capacity)
    wanted = bounds.clamp(proposal.capacity)
    reason = None
    if wanted == fleet.capacity:
        reason = AT_DESIRED
        if proposal.capacity != fleet.capacity:
            reason = AT_MAXIMUM if proposal.capacity > fleet.capacity else AT_MINIMUM
    return Decision(
        capacity=wanted, cause=proposal.cause, policy_name=name, base=proposal.base,
        not_scaled=reason,
    )  # fmt: skip
