"""What target tracking does with a trace: the instances, minute by minute.

The decisions are those of the local cloud (`local_cloud/autoscaling/policy.py`), which is our
reading of AWS's rules.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from local_cloud.autoscaling.policy import PERIODS_BELOW, Bounds, Fleet, TargetTracking, track

_MINUTE: Final = 60.0


@dataclass(frozen=True)
class Minute:
    """One minute of a simulation.

    Attributes:
        requests: that arrived.
        instances: in service.
        starting: that were started and are not in service yet; they are billed.
        rejected: requests above the capacity of the instances.
    """

    requests: float
    instances: int
    starting: int
    rejected: float


@dataclass(frozen=True)
class Outcome:
    """The minutes of a simulation."""

    minutes: Sequence[Minute]

    @property
    def instance_hours(self) -> float:
        """Hours of all instances together, also of those that were starting."""
        return sum(minute.instances + minute.starting for minute in self.minutes) / 60

    @property
    def rejected_share(self) -> float:
        """Share of the requests that exceed the capacity, 0 to 1."""
        requests = sum(minute.requests for minute in self.minutes)
        return sum(minute.rejected for minute in self.minutes) / requests if requests else 0.0

    @property
    def most_instances(self) -> int:
        """The most instances in service in a minute."""
        return max(minute.instances for minute in self.minutes)

    @property
    def changes(self) -> int:
        """How often the number of instances in service changed."""
        return sum(before.instances != after.instances for before, after in pairwise(self.minutes))


def simulate(
    trace: Sequence[float],
    policy: TargetTracking,
    bounds: Bounds,
    *,
    capacity_per_second: float,
    start_minutes: int,
) -> Outcome:
    """Return what happens with a trace.

    Args:
        trace: requests of each minute.
        policy: target tracking on invocations an instance and minute.
        bounds: of the number of instances.
        capacity_per_second: requests that one instance can respond to.
        start_minutes: from the decision to an instance in service.
    """
    fleet = Fleet(capacity=bounds.minimum)
    datapoints: deque[float | None] = deque([None] * PERIODS_BELOW, PERIODS_BELOW)
    arriving: tuple[int, int] | None = None  # the minute and the number of instances then
    minutes = []
    for number, requests in enumerate(trace):
        now = number * _MINUTE
        if arriving is not None and number >= arriving[0]:
            fleet = replace(fleet, capacity=arriving[1], changed_at=now)
            arriving = None
        capacity = 60 * capacity_per_second * fleet.capacity
        minutes.append(
            Minute(
                requests=requests,
                instances=fleet.capacity,
                starting=arriving[1] - fleet.capacity if arriving else 0,
                rejected=max(0.0, requests - capacity),
            )
        )
        datapoints.append(requests / fleet.capacity)
        ended = now + _MINUTE
        if arriving is not None:
            continue
        decision = track(list(datapoints), policy, fleet, bounds, ended_at=ended, now=ended)
        if decision is None:
            continue
        if decision.capacity > fleet.capacity:
            arriving = (number + 1 + start_minutes, decision.capacity)
            fleet = replace(fleet, scaled_out_at=ended)
        else:
            fleet = replace(fleet, capacity=decision.capacity, changed_at=ended, scaled_in_at=ended)
    return Outcome(minutes)
