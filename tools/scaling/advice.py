"""Which scaling settings suit a trace, and what small targets really do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tools.counted import counted
from tools.scaling.simulation import Outcome

# AWS's formula: docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-loadtest.html
SAFETY_FACTOR = 0.5
# What half of the capacity is in requests in flight: use / (1 - use), see `simulation`.
CONCURRENCY_TARGET = SAFETY_FACTOR / (1 - SAFETY_FACTOR)
_REFERENCE_TARGETS = (10, 25)
_SHOWN_PERCENT = 0.005


def formula_target(capacity_per_second: float) -> float:
    """Return AWS's target of invocations an instance and minute.

    Args:
        capacity_per_second: requests that one instance can respond to.
    """
    return capacity_per_second * SAFETY_FACTOR * 60


@dataclass(frozen=True)
class Advice:
    """Settings of a stage.

    Attributes:
        target: invocations an instance and minute.
        minimum: instances for the quietest tenth of the trace.
        maximum: instances for its busiest minute.
    """

    target: int
    minimum: int
    maximum: int


def advise(trace: Sequence[float], capacity_per_second: float) -> Advice:
    """Return settings for a trace.

    Args:
        trace: requests of each minute.
        capacity_per_second: requests that one instance can respond to.
    """
    target = max(1, round(formula_target(capacity_per_second)))
    quiet = sorted(trace)[len(trace) // 10]
    maximum = max(1, math.ceil(max(trace) / target))
    return Advice(
        target=target, minimum=min(maximum, max(1, math.ceil(quiet / target))), maximum=maximum
    )


def explain_targets(capacity_per_second: float) -> list[str]:
    """Return what targets of 10 and 25 a minute mean for an instance of this capacity."""
    a_minute = capacity_per_second * 60
    return [
        f"A target of {target} a minute is {target / 60:.2f} requests a second, "
        f"{100 * target / a_minute:.1f} % of what an instance can do: a second instance starts "
        f"after 3 minutes above it."
        for target in _REFERENCE_TARGETS
    ]


def explain_start(
    outcomes: dict[int, Outcome], trace: Sequence[float], capacity_per_second: float
) -> str:
    """Return what a slower start costs, and what avoids it.

    Args:
        outcomes: by the minutes that an instance takes to start.
        trace: requests of each minute.
        capacity_per_second: requests that one instance can respond to.
    """
    shares = {start: 100 * outcome.rejected_share for start, outcome in outcomes.items()}
    if max(shares.values()) < _SHOWN_PERCENT:
        return "No request exceeds the capacity, however long an instance takes to start."
    slowest = max(shares)
    enough = math.ceil(max(trace) / (60 * capacity_per_second))
    return (
        f"{shares[slowest]:.2f} % of the requests exceed the capacity if an instance takes "
        f"{counted(slowest, 'minute')} to start. Only instances that are there before the load "
        f"avoid that: min_instance_count = {enough} responds to the busiest minute."
    )
