"""Step scaling in virtual time; the numbers are those of AWS's own examples where it has some.

docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
"""

from typing import Any

import pytest

from local_cloud.autoscaling.decision import Stepped, after, decide
from local_cloud.autoscaling.policy import Bounds, ScalingState
from local_cloud.autoscaling.steps import Step, StepScaling, problem_of_steps
from local_cloud.cloudwatch.breach import Breach

NOW = 10_000.0
OUT = [Step(lower=0, upper=10, adjustment=0), Step(lower=10, upper=20, adjustment=10),
       Step(lower=20, adjustment=30)]  # fmt: skip
IN = [Step(lower=-10, upper=0, adjustment=0), Step(lower=-20, upper=-10, adjustment=-10),
      Step(upper=-20, adjustment=-30)]  # fmt: skip


def stepped(metric: float | None, steps: list[Step], **members: Any) -> Stepped:
    policy = StepScaling(**{"adjustment_type": "PercentChangeInCapacity", **members}, steps=steps)
    breach = Breach(alarm_name="alarm", threshold=50, values=[None, metric])
    return Stepped(policy_name="steps", policy=policy, breach=breach)


def capacity(metric: float | None, steps: list[Step], instances: int, **members: Any) -> int | None:
    found = [stepped(metric, steps, **members)]
    decision = decide(ScalingState(capacity=instances), Bounds(0, 100), stepped=found, now=NOW)
    return decision.capacity if decision else None


@pytest.mark.parametrize(
    ("metric", "steps", "instances", "expected"),
    [
        (59.9, OUT, 10, 10),
        (60, OUT, 10, 11),
        (69.9, OUT, 10, 11),
        (70, OUT, 11, 14),
        (40.1, IN, 14, 14),
        (40, IN, 14, 13),
        (30, IN, 13, 10),
        (50, OUT, 10, 10),
        (49, OUT, 10, None),
        (51, IN, 10, None),
        (None, OUT, 10, None),
    ],
)
def test_the_size_of_the_breach_chooses_the_step(
    metric: float | None, steps: list[Step], instances: int, expected: int | None
) -> None:
    assert capacity(metric, steps, instances) == expected


@pytest.mark.parametrize(
    ("kind", "adjustment", "minimum", "instances", "expected"),
    [
        ("ChangeInCapacity", 5, 0, 3, 8),
        ("ChangeInCapacity", -5, 0, 3, 0),
        ("ExactCapacity", 5, 0, 3, 5),
        ("ExactCapacity", 1, 0, 3, 1),
        ("PercentChangeInCapacity", 10, 0, 10, 11),
        ("PercentChangeInCapacity", 127, 0, 10, 22),
        ("PercentChangeInCapacity", 67, 0, 1, 2),
        ("PercentChangeInCapacity", -58, 0, 1, 0),
        ("PercentChangeInCapacity", -67, 0, 10, 4),
        ("PercentChangeInCapacity", 25, 2, 4, 6),
        ("PercentChangeInCapacity", -25, 2, 4, 2),
        ("PercentChangeInCapacity", 100, 2, 4, 8),
        ("ChangeInCapacity", 1, 2, 4, 5),
    ],
)
def test_an_adjustment_is_in_instances_or_in_percent(
    kind: str, adjustment: int, minimum: int, instances: int, expected: int
) -> None:
    step = Step(lower=0, adjustment=adjustment)
    found = capacity(
        60, [step], instances, adjustment_type=kind, min_adjustment_magnitude=minimum
    )  # fmt: skip
    assert found == expected


@pytest.mark.parametrize(
    ("aggregation", "expected"), [("Average", 11), ("Minimum", 11), ("Maximum", 12)]
)
def test_the_datapoints_of_the_alarm_are_aggregated(aggregation: Any, expected: int) -> None:
    steps = [Step(lower=0, upper=10, adjustment=1), Step(lower=10, adjustment=2)]
    policy = StepScaling(adjustment_type="ChangeInCapacity", steps=steps, aggregation=aggregation)
    breach = Breach(alarm_name="alarm", threshold=50, values=[52, None, 61])
    found = Stepped(policy_name="steps", policy=policy, breach=breach)
    decision = decide(ScalingState(capacity=10), Bounds(0, 100), stepped=[found], now=NOW)
    assert decision is not None
    assert decision.capacity == expected


def test_what_a_running_cooldown_has_added_counts_for_the_next_addition() -> None:
    two, three = Step(lower=0, upper=10, adjustment=2), Step(lower=10, adjustment=3)
    fleet, bounds = ScalingState(capacity=10), Bounds(1, 100)

    def scale(metric: float, now: float) -> int:
        nonlocal fleet
        found = stepped(metric, [two, three], adjustment_type="ChangeInCapacity",
                        cooldown_seconds=300)  # fmt: skip
        decision = decide(fleet, bounds, stepped=[found], now=now)
        assert decision is not None
        if not decision.not_scaled:
            began = after(fleet, decision, now=now)
            fleet = ScalingState(
                capacity=decision.capacity, scaled_out_at=began.scaled_out_at, added=began.added
            )
        return fleet.capacity

    assert scale(55, NOW) == 12
    assert scale(55, NOW + 60) == 12
    assert scale(65, NOW + 120) == 13
    assert scale(65, NOW + 180) == 13
    assert scale(65, NOW + 420) == 16


def test_a_cooldown_blocks_removals_but_no_addition() -> None:
    fewer = stepped(30, IN, cooldown_seconds=300)
    more = stepped(70, OUT, cooldown_seconds=300)
    bounds = Bounds(1, 100)
    cooling = ScalingState(capacity=10, scaled_in_at=NOW - 299)
    assert decide(cooling, bounds, stepped=[fewer], now=NOW) is None
    decision = decide(cooling, bounds, stepped=[more], now=NOW)
    assert decision is not None
    assert decision.capacity == 13
    later = decide(cooling, bounds, stepped=[fewer], now=NOW + 1)
    assert later is not None
    assert later.capacity == 7


@pytest.mark.parametrize(
    ("bounds", "problem"),
    [
        ([(0, None)], None),
        ([(0, 10), (10, None)], None),
        ([(None, -10), (-10, 0)], None),
        ([(None, None)], None),
        ([], "no step adjustment"),
        ([(0, 10), (11, None)], "gap"),
        ([(0, 10), (9, None)], "overlap"),
        ([(None, None), (0, None)], "overlap"),
        ([(0, None), (0, None)], "overlap"),
        ([(10, 10)], "not greater"),
        ([(0, 10)], "without an upper bound"),
        ([(-10, 0)], "without a lower bound"),
    ],
)
def test_intervals_follow_awss_rules(
    bounds: list[tuple[float | None, float | None]], problem: str | None
) -> None:
    steps = [
        Step(
            lower=float("-inf") if lower is None else lower,
            upper=float("inf") if upper is None else upper,
            adjustment=1,
        )
        for lower, upper in bounds
    ]
    found = problem_of_steps(steps)
    assert (found is None) is (problem is None)
    assert (problem or "") in (found or "")
