"""What target tracking and a schedule do with a trace: the instances, minute by minute.

The decisions are those of the local cloud (`local_cloud/autoscaling/decision.py`), which is our
reading of AWS's rules.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal

from local_cloud.autoscaling.decision import Decision, Tracked, after, decide
from local_cloud.autoscaling.policy import Bounds, ScalingState, TargetTracking

_MINUTE: Final = 60.0
# Those that the model server lets wait beyond the ones it works on (model_code/classifier/serving).
_MAX_IN_FLIGHT: Final = 16.0
_ALMOST_ALL: Final = _MAX_IN_FLIGHT / (_MAX_IN_FLIGHT + 1)

TargetKind = Literal["invocations", "concurrent_requests"]
PERIOD_SECONDS: Final[dict[TargetKind, float]] = {"invocations": 60.0, "concurrent_requests": 10.0}


@dataclass(frozen=True)
class Minute:
    """One minute of a simulation.

    Attributes:
        requests: that arrived.
        instances: in service when it ends.
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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The scaling of a stage.

    Attributes:
        kind: what the policy measures.
        policy: target tracking.
        bounds: of the number of instances.
        schedule: other bounds from a minute of the trace on.
    """

    kind: TargetKind = "invocations"
    policy: TargetTracking
    bounds: Bounds
    schedule: Mapping[int, Bounds] = field(default_factory=dict)


def simulate(
    trace: Sequence[float], plan: Plan, *, capacity_per_second: float, start_minutes: int
) -> Outcome:
    """Return what happens with a trace.

    Args:
        trace: requests of each minute.
        plan: the scaling.
        capacity_per_second: requests that one instance can respond to.
        start_minutes: from the decision to an instance in service.
    """
    run = _Run(plan, start_minutes)
    period = plan.policy.period_seconds
    minutes = []
    for number, requests in enumerate(trace):
        rejected = 0.0
        for part in range(round(_MINUTE / period)):
            began = number * _MINUTE + part * period
            run.begin(began, plan.schedule.get(number) if part == 0 else None)
            arriving = requests * period / _MINUTE
            rejected += max(0.0, arriving - period * capacity_per_second * run.fleet.capacity)
            instances, starting = run.fleet.capacity, run.starting
            value = _datapoint(
                plan.kind, arriving / run.fleet.capacity, capacity_per_second * period
            )
            run.end(value, began + period)
        minutes.append(
            Minute(requests=requests, instances=instances, starting=starting, rejected=rejected)
        )
    return Outcome(minutes)


def _datapoint(kind: TargetKind, arriving: float, capacity: float) -> float:
    """Return the metric of one instance.

    Args:
        kind: of the metric.
        arriving: requests in the period.
        capacity: requests that it can respond to in the period.
    """
    if kind == "invocations":
        return arriving
    # Little's law: requests in flight = arrivals a second x seconds in the instance. Requests come
    # at random, each takes 1 / capacity seconds, and an instance works on one at a time.
    use = arriving / capacity
    return use / (1 - use) if use < _ALMOST_ALL else _MAX_IN_FLIGHT


class _Run:
    """The fleet while time passes."""

    def __init__(self, plan: Plan, start_minutes: int) -> None:
        self._policy, self._start_seconds = plan.policy, start_minutes * _MINUTE
        self._bounds = plan.schedule.get(0, plan.bounds)
        self._datapoints: deque[float | None] = deque(maxlen=plan.policy.periods_below)
        self._arriving: tuple[float, int] | None = None  # when, and the number of instances then
        self.fleet = ScalingState(capacity=self._bounds.minimum)

    @property
    def starting(self) -> int:
        """Instances that were started and are not in service yet."""
        return self._arriving[1] - self.fleet.capacity if self._arriving else 0

    def begin(self, now: float, bounds: Bounds | None) -> None:
        """Let a period begin: with other bounds, if the schedule has some, and new instances."""
        if bounds is None and self._arriving is None:
            return
        if self._arriving is not None and now >= self._arriving[0]:
            self.fleet = replace(self.fleet, capacity=self._arriving[1], changed_at=now)
            self._arriving = None
        if bounds is not None:
            self._bounds = bounds
        if self._arriving is None:
            self._change(decide(self.fleet, self._bounds, now=now), now)

    def end(self, value: float, now: float) -> None:
        """Let a period end, with its datapoint."""
        self._datapoints.append(value)
        if self._arriving is not None:
            return
        tracked = Tracked(
            policy_name="", policy=self._policy, datapoints=list(self._datapoints), ended_at=now
        )
        self._change(decide(self.fleet, self._bounds, tracked=[tracked], now=now), now)

    def _change(self, decision: Decision | None, now: float) -> None:
        if decision is None or decision.not_scaled:
            return
        self.fleet = after(self.fleet, decision, now=now)
        if decision.capacity > self.fleet.capacity and self._start_seconds:
            self._arriving = (now + self._start_seconds, decision.capacity)
        else:
            self.fleet = replace(self.fleet, capacity=decision.capacity, changed_at=now)
