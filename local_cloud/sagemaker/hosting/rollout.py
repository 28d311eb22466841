"""The traffic of a blue/green deployment: shifted in steps, baked, rolled back by alarms.

docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local_cloud.clock import Clock
from local_cloud.sagemaker.errors import HostingError, validation_error

_CHECKS_A_MINUTE: Final = 12
_MAX_CANARY_SHARE: Final = 0.5
# Percent of the capacity, by the kind of the step.
_PERCENT_BOUNDS: Final = {"CanarySize": (1, 50), "LinearStepSize": (10, 50)}


class RolledBackError(HostingError):
    """An alarm was raised; the message becomes the endpoint's FailureReason."""


@dataclass(frozen=True)
class Step:
    """A share of the traffic for the new fleet.

    Attributes:
        share: 0 to 1.
        wait_seconds: before the next step, in AWS's time; alarms are watched meanwhile.
    """

    share: float
    wait_seconds: float


@dataclass(frozen=True)
class Rollout:
    """How an update shifts the traffic.

    Attributes:
        steps: the last one has all the traffic; its wait is the baking period.
        alarms: names of the alarms that roll the update back.
    """

    steps: tuple[Step, ...]
    alarms: tuple[str, ...]


def read_rollout(configuration: Mapping[str, Any] | None, instance_count: int) -> Rollout:
    """Return the rollout of an UpdateEndpoint's DeploymentConfig; without one, all at once.

    Args:
        configuration: the DeploymentConfig.
        instance_count: of the new fleet.

    Raises:
        AwsError: the configuration is not valid, or the local cloud does not emulate it.
    """
    given = configuration or {}
    if "RollingUpdatePolicy" in given:
        raise validation_error(
            "The local cloud has no rolling updates; use BlueGreenUpdatePolicy with ALL_AT_ONCE, "
            "CANARY or LINEAR."
        )
    alarms = tuple(
        alarm["AlarmName"] for alarm in given.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    )
    policy = given.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
    bake = float(policy.get("TerminationWaitInSeconds", 0))
    interval = float(routing.get("WaitIntervalInSeconds", 0))
    shares = tuple(_shares(routing, instance_count))
    steps = [Step(share, interval) for share in shares[:-1]]
    return Rollout((*steps, Step(1.0, bake)), alarms)


def shift(
    rollout: Rollout,
    *,
    set_share: Callable[[float], None],
    raised: Callable[[tuple[str, ...]], str | None],
    clock: Clock,
) -> None:
    """Shift the traffic to the new fleet and watch the alarms until the end of the bake.

    Args:
        rollout: steps and alarms.
        set_share: gives the new fleet a share of the traffic.
        raised: returns the name of an alarm that is in the state ALARM, None without any; may
            raise HostingError.
        clock: the time of the waits.

    Raises:
        RolledBackError: an alarm was raised, also one that was before the first step.
        HostingError: the alarms cannot be read.
    """
    _check(rollout, raised)
    for step in rollout.steps:
        set_share(step.share)
        ends_at = clock.now() + clock.real_seconds(step.wait_seconds)
        while clock.now() < ends_at:
            clock.sleep(clock.real_seconds(60 / _CHECKS_A_MINUTE))
            _check(rollout, raised)


def _check(rollout: Rollout, raised: Callable[[tuple[str, ...]], str | None]) -> None:
    alarm = raised(rollout.alarms) if rollout.alarms else None
    if alarm is not None:
        raise RolledBackError(
            f"The deployment was rolled back: the alarm {alarm} is in the state ALARM."
        )


def _shares(routing: Mapping[str, Any], instance_count: int) -> Iterator[float]:
    """Yield the traffic's share of each step; the last one is 1."""
    kind = routing["Type"]
    if kind == "CANARY":
        yield _share(routing, "CanarySize", instance_count)
    elif kind == "LINEAR":
        share = _share(routing, "LinearStepSize", instance_count)
        count = math.ceil(1 / share - 1e-9)
        yield from (share * number for number in range(1, count))
    yield 1.0


def _share(routing: Mapping[str, Any], member: str, instance_count: int) -> float:
    size = routing.get(member)
    if size is None:
        raise validation_error(f"The traffic routing {routing['Type']} needs {member}.")
    value = int(size["Value"])
    least, most = _PERCENT_BOUNDS[member]
    if size["Type"] == "CAPACITY_PERCENT" and not least <= value <= most:
        raise validation_error(f"{member} is {value} percent; expected {least} to {most}.")
    # AWS does not document how SageMaker rounds the number of instances: up is the most it can be.
    instances = (
        value if size["Type"] == "INSTANCE_COUNT" else math.ceil(instance_count * value / 100)
    )
    share = instances / instance_count
    if share > _MAX_CANARY_SHARE:
        raise validation_error(
            f"{member} is {instances} of {instance_count} instances; expected at most half of "
            "them, so at least two instances."
        )
    return share
