"""Several policies of one target, and its bounds, in virtual time."""

import pytest

from local_cloud.autoscaling.decision import Decision, Stepped, Suspended, Tracked, after, decide
from local_cloud.autoscaling.policy import Bounds, ScalingState, TargetTracking
from local_cloud.autoscaling.steps import AdjustmentType, Step, StepScaling
from local_cloud.cloudwatch.breach import Breach

NOW = 10_000.0
BOUNDS = Bounds(1, 100)


def tracked(value: float | None, *, can_scale_in: bool = True, periods: int = 15) -> Tracked:
    policy = TargetTracking(
        target=100, scale_out_cooldown_seconds=0, scale_in_cooldown_seconds=0,
        can_scale_in=can_scale_in,
    )  # fmt: skip
    return Tracked(
        policy_name=f"tracks {value}", policy=policy, datapoints=[value] * periods, ended_at=NOW
    )


def stepped(adjustment: int, kind: AdjustmentType = "ChangeInCapacity") -> Stepped:
    policy = StepScaling(
        adjustment_type=kind, steps=[Step(lower=0, adjustment=adjustment)], cooldown_seconds=0
    )
    breach = Breach(alarm_name="alarm", threshold=0, values=[1])
    return Stepped(policy_name=f"steps {adjustment}", policy=policy, breach=breach)


def decided(
    fleet: ScalingState, tracking: list[Tracked], stepping: list[Stepped]
) -> Decision | None:
    return decide(fleet, BOUNDS, tracked=tracking, stepped=stepping, now=NOW)


def test_the_largest_capacity_wins() -> None:
    # AWS's example: plus 3 and plus 200 percent, of 10.
    decision = decided(
        ScalingState(capacity=10), [], [stepped(3), stepped(200, "PercentChangeInCapacity")]
    )
    assert decision is not None
    assert (decision.capacity, decision.policy_name) == (30, "steps 200")
    fewer = decided(ScalingState(capacity=10), [], [stepped(-3), stepped(-5)])
    assert fewer is not None
    assert fewer.capacity == 7
    either = decided(ScalingState(capacity=10), [tracked(150)], [stepped(-3)])
    assert either is not None
    assert either.capacity == 15


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([20, 150], 15),
        ([20, 95], None),
        ([20, None], None),
        ([20, 50], 5),
        ([20, 89.9], 9),
    ],
)
def test_target_tracking_policies_scale_in_together(
    values: list[float | None], expected: int | None
) -> None:
    decision = decided(ScalingState(capacity=10), [tracked(value) for value in values], [])
    changed = decision if decision and not decision.not_scaled else None
    assert (changed.capacity if changed else None) == expected


def test_a_policy_that_may_not_scale_in_does_not_hold_up_the_others() -> None:
    decision = decided(
        ScalingState(capacity=10), [tracked(20), tracked(95, can_scale_in=False)], []
    )
    assert decision is not None
    assert decision.capacity == 2
    alone = decided(ScalingState(capacity=10), [tracked(20, can_scale_in=False)], [])
    assert alone is None


def test_a_step_scales_in_alone() -> None:
    decision = decided(ScalingState(capacity=10), [tracked(95)], [stepped(-3)])
    assert decision is not None
    assert decision.capacity == 7
    both = decided(ScalingState(capacity=10), [tracked(20)], [stepped(-3)])
    assert both is not None
    assert both.capacity == 7


@pytest.mark.parametrize(
    ("instances", "expected", "cause"),
    [(2, 4, "minimum capacity was set to 4"), (9, 6, "maximum capacity was set to 6")],
)
def test_bounds_act_at_once_whatever_the_cooldown(
    instances: int, expected: int, cause: str
) -> None:
    fleet = ScalingState(capacity=instances, scaled_in_at=NOW, scaled_out_at=NOW)
    suspended = Suspended(scale_in=True, scale_out=True)
    decision = decide(fleet, Bounds(4, 6), suspended=suspended, now=NOW)
    assert decision is not None
    assert (decision.capacity, decision.cause) == (expected, cause)
    # Cooldowns are of policies only.
    assert after(fleet, decision, now=NOW + 5) == fleet


@pytest.mark.parametrize(
    ("instances", "value", "bounds", "reason"),
    [
        (3, 150, Bounds(1, 3), "AlreadyAtMaxCapacity"),
        (1, 20, Bounds(1, 3), "AlreadyAtDesiredCapacity"),
        (2, 20, Bounds(2, 3), "AlreadyAtMinCapacity"),
        (2, 80, Bounds(1, 3), "AlreadyAtDesiredCapacity"),
    ],
)
def test_a_decision_says_why_nothing_changes(
    instances: int, value: float, bounds: Bounds, reason: str
) -> None:
    decision = decide(ScalingState(capacity=instances), bounds, tracked=[tracked(value)], now=NOW)
    assert decision is not None
    assert (decision.capacity, decision.not_scaled) == (instances, reason)


def test_what_is_suspended_does_not_happen() -> None:
    fleet = ScalingState(capacity=10)
    out, into = Suspended(scale_out=True), Suspended(scale_in=True)
    for value, suspended, changes in [
        (150, out, False), (150, into, True), (20, out, True), (20, into, False),
    ]:  # fmt: skip
        decision = decide(fleet, BOUNDS, tracked=[tracked(value)], suspended=suspended, now=NOW)
        assert (decision is not None) is changes
