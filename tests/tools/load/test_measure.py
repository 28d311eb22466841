"""The capacity of an instance is found by steps of a rising rate."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.load.outcomes import outcome
from tools.console import ToolError
from tools.load.measure import Step, find_capacity, judge
from tools.load.outcomes import Outcome


@dataclass
class Instance:
    """One instance: responds to a request after the others of its queue, refuses when it is full.

    Attributes:
        capacity: requests a second.
        queue: how many wait at most.
        tried: the rates and the number of steps.
    """

    capacity: float
    queue: int = 16
    tried: list[tuple[float, int]] = field(default_factory=list)

    def outcomes(self, rate: float, seconds: float) -> list[Outcome]:
        free_at = 0.0
        found = []
        for number in range(max(20, round(rate * seconds))):
            at = number / rate
            if free_at - at > self.queue / self.capacity:
                found.append(outcome(at, latency=0.001, status=503, body="overloaded"))
                continue
            free_at = max(free_at, at) + 1 / self.capacity
            found.append(outcome(at, latency=free_at - at))
        return found

    def attempt(self, rate: float, steps: int) -> Step:
        self.tried.append((rate, steps))
        return judge(rate, self.outcomes(rate, 10.0 * steps), limit_ms=2000)


@settings(max_examples=25, deadline=None)
@given(capacity=st.floats(1.0, 400.0), first=st.floats(0.5, 250.0), queue=st.integers(2, 64))
def test_the_capacity_is_found_whatever_the_first_rate(
    capacity: float, first: float, queue: int
) -> None:
    instance = Instance(capacity, queue)
    found = find_capacity(instance.attempt, first=first, smallest=0.5, largest=500.0)
    assert 0.9 * capacity <= found <= 1.04 * capacity
    assert len(instance.tried) <= 20
    assert instance.tried[-1] == (found, 3), "the last step confirms it, three times as long"


def test_a_capacity_that_is_not_confirmed_is_lowered() -> None:
    calm = Instance(50.0)

    def attempt(rate: float, steps: int) -> Step:
        # As an instance whose processor has credits for short steps.
        return Instance(40.0 if steps > 1 else 50.0).attempt(rate, steps)

    short = find_capacity(calm.attempt, first=10.0, smallest=0.5, largest=500.0)
    found = find_capacity(attempt, first=10.0, smallest=0.5, largest=500.0)
    assert 36.0 < found <= 41.0 < short


def test_nothing_is_sustained_and_everything_is() -> None:
    with pytest.raises(ToolError, match=r"Not even 0\.5 requests a second"):
        find_capacity(Instance(0.2).attempt, first=8.0, smallest=0.5, largest=500.0)
    with pytest.raises(ToolError, match="sustains 500 requests a second"):
        find_capacity(Instance(5000.0).attempt, first=8.0, smallest=0.5, largest=500.0)


def test_a_rate_that_is_never_confirmed() -> None:
    def attempt(rate: float, steps: int) -> Step:
        return Step(rate, 10.0, "busy" if steps > 1 or rate > 20 else None)

    with pytest.raises(ToolError, match="No rate was sustained for three steps"):
        find_capacity(attempt, first=8.0, smallest=0.5, largest=500.0)


@pytest.mark.parametrize(
    ("failed", "slow_ms", "growth", "problem"),
    [
        (0, 50, 0.0, None),
        (2, 50, 0.0, None),
        (3, 50, 0.0, "1.5 % without a response of the model"),
        (0, 1999, 0.0, None),
        (0, 2001, 0.0, "p99 above 2000 ms"),
        (0, 50, 0.019, None),
        (0, 50, 0.022, "the queue grows: 22 ms a second"),
    ],
)
def test_a_step_is_sustained(
    failed: int, slow_ms: float, growth: float, problem: str | None
) -> None:
    outcomes = [outcome(at / 20, latency=0.05 + growth * at / 20) for at in range(200 - failed)]
    outcomes += [outcome(10 + at / 20, status=503) for at in range(failed)]
    outcomes[50:53] = [outcome(2.5 + at / 20, latency=slow_ms / 1000) for at in range(3)]
    step = judge(20.0, outcomes, limit_ms=2000)
    assert step.problem == problem


def test_a_cold_start_is_no_growing_queue() -> None:
    slow_start = [outcome(at / 20, latency=max(0.05, 1.0 - at / 20)) for at in range(200)]
    assert judge(20.0, slow_start, limit_ms=2000).problem is None


def test_a_step_without_any_response() -> None:
    step = judge(5.0, [outcome(at / 5, status=None) for at in range(20)], limit_ms=2000)
    assert math.isinf(step.latency_ms)
    assert step.problem == "100.0 % without a response of the model"
