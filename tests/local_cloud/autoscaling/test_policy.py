"""Scaling decisions in virtual time."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.autoscaling.decision import Tracked, after, decide
from local_cloud.autoscaling.policy import Bounds, ScalingState, TargetTracking

NOW = 10_000.0
POLICY = TargetTracking(target=100.0, scale_out_cooldown_seconds=30, scale_in_cooldown_seconds=30)
BOUNDS = Bounds(1, 5)


def capacity(
    datapoints: list[float | None],
    fleet: ScalingState,
    policy: TargetTracking = POLICY,
    bounds: Bounds = BOUNDS,
) -> int | None:
    tracked = Tracked(policy_name="policy", policy=policy, datapoints=datapoints, ended_at=NOW)
    decision = decide(fleet, bounds, tracked=[tracked], now=NOW + 1)
    return decision.capacity if decision and not decision.not_scaled else None


@pytest.mark.parametrize(
    ("datapoints", "expected"),
    [
        ([150.0, 150.0, 150.0], 2),
        ([150.0, 150.0, 290.0], 3),
        ([150.0, 150.0, 300.0], 3),
        ([150.0, 150.0, 301.0], 4),
        ([150.0, 150.0, 9000.0], 5),
        ([150.0, 150.0], None),
        ([150.0, 100.0, 150.0], None),
        ([150.0, None, 150.0], None),
        ([150.0, 150.0, None], None),
        ([50.0] * 14 + [150.0], None),
    ],
)
def test_three_datapoints_above_the_target_add_instances(
    datapoints: list[float | None], expected: int | None
) -> None:
    assert capacity(datapoints, ScalingState(capacity=1)) == expected


@pytest.mark.parametrize(
    ("datapoints", "expected"),
    [
        ([20.0] * 15, 1),
        ([20.0] * 14 + [60.0], 2),
        ([80.0] * 15, None),
        ([20.0] * 14, None),
        ([20.0] * 7 + [None] + [20.0] * 7, None),
        ([20.0] * 14 + [90.0], None),
        ([0.0] * 15, 1),
    ],
)
def test_fifteen_datapoints_below_nine_tenths_remove_instances(
    datapoints: list[float | None], expected: int | None
) -> None:
    assert capacity(datapoints, ScalingState(capacity=3)) == expected


def test_datapoints_from_before_a_change_do_not_count() -> None:
    busy: list[float | None] = [150.0] * 3
    assert capacity(busy, ScalingState(capacity=1, changed_at=NOW - 180)) == 2
    assert capacity(busy, ScalingState(capacity=1, changed_at=NOW - 179)) is None


def test_cooldowns_block_the_next_action_of_their_kind() -> None:
    slow = TargetTracking(target=100, scale_out_cooldown_seconds=600, scale_in_cooldown_seconds=60)
    cooling = ScalingState(capacity=2, scaled_out_at=NOW - 500, added=1)
    assert capacity([150.0] * 3, cooling, slow) is None
    assert capacity([150.0] * 3, replace(cooling, scaled_out_at=NOW - 600), slow) == 3
    # Scaling out is not blocked by the cooldown of scaling in.
    assert capacity([150.0] * 3, ScalingState(capacity=1, scaled_in_at=NOW), slow) == 2
    assert capacity([20.0] * 15, ScalingState(capacity=2, scaled_in_at=NOW), slow) is None
    assert capacity([20.0] * 15, ScalingState(capacity=2, scaled_out_at=NOW), slow) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # The documentation's example: 2 were added; 2 more are part of what was added, 3 are not.
        (101.0, None), (116.0, None), (120.0, 13), (150.0, 16),
    ],
)  # fmt: skip
def test_the_cooldown_of_scaling_out_lets_a_larger_addition_through(
    value: float, expected: int | None
) -> None:
    slow = TargetTracking(target=100, scale_out_cooldown_seconds=600)
    bounds = Bounds(1, 100)
    cooling = ScalingState(capacity=12, scaled_out_at=NOW - 598, added=2)
    assert capacity([value] * 3, cooling, slow, bounds) == expected
    over = replace(cooling, scaled_out_at=NOW - 599)
    assert capacity([value] * 3, over, slow, bounds) == math.ceil(12 * value / 100)


def test_a_larger_addition_begins_the_cooldown_anew() -> None:
    slow = TargetTracking(target=100, scale_out_cooldown_seconds=600)
    fleet, bounds = ScalingState(capacity=2), Bounds(1, 100)

    def scale(value: float, now: float) -> int:
        nonlocal fleet
        tracked = Tracked(policy_name="", policy=slow, datapoints=[value] * 3, ended_at=now)
        decision = decide(fleet, bounds, tracked=[tracked], now=now)
        if decision is not None:
            fleet = replace(after(fleet, decision, now=now), capacity=decision.capacity)
        return fleet.capacity

    assert scale(150, NOW) == 3  # 1 was added
    assert scale(125, NOW + 300) == 3  # 1 more is not larger
    assert scale(200, NOW + 500) == 5  # 3 more are; 1 of them is there
    assert scale(160, NOW + 700) == 5  # the first cooldown is over, the second is not: 3 more
    assert scale(160, NOW + 1100) == 8


def test_scaling_in_can_be_off_and_periods_shorter() -> None:
    off = TargetTracking(target=100, can_scale_in=False)
    assert capacity([20.0] * 15, ScalingState(capacity=2), off) is None
    fast = TargetTracking(target=4, period_seconds=10)
    # Three datapoints of ten seconds add instances.
    assert capacity([9.0] * 3, ScalingState(capacity=1, changed_at=NOW - 30), fast) == 3
    assert capacity([9.0] * 3, ScalingState(capacity=1, changed_at=NOW - 29), fast) is None


@pytest.mark.parametrize("minute_seconds", [60.0, 3.0])
def test_ten_second_datapoints_remove_instances_after_fifteen_minutes_too(
    minute_seconds: float,
) -> None:
    fast = TargetTracking(
        target=4, period_seconds=minute_seconds / 6, minute_seconds=minute_seconds
    )  # fmt: skip
    low: list[float | None] = [0.5] * 6
    assert capacity(low * 14, ScalingState(capacity=3), fast) is None
    # A minute may miss datapoints, but not all of them.
    sparse = [None, 0.5, None, 2.0, None, None]
    assert capacity([*low * 14, *sparse], ScalingState(capacity=3), fast) == 2
    assert capacity([*low * 7, *[None] * 6, *low * 7], ScalingState(capacity=3), fast) is None
    assert capacity((low * 15)[1:], ScalingState(capacity=3), fast) is None
    assert capacity(low * 15, ScalingState(capacity=3), fast) == 1
    assert capacity([*low * 14, *low[1:], 3.9], ScalingState(capacity=3), fast) is None


@given(
    datapoints=st.lists(st.none() | st.floats(0, 1e6), max_size=20),
    instances=st.integers(1, 20),
    minimum=st.integers(1, 20),
    more=st.integers(0, 20),
)
def test_a_decision_changes_the_capacity_within_the_bounds(
    datapoints: list[float | None], instances: int, minimum: int, more: int
) -> None:
    bounds = Bounds(minimum, minimum + more)
    decided = capacity(datapoints, ScalingState(capacity=instances), bounds=bounds)
    if decided is not None:
        assert bounds.minimum <= decided <= bounds.maximum
        assert decided != instances
