"""How an update shifts the endpoint's traffic to its new instances, and how long that takes.

docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

RolloutKind = Literal["all_at_once", "canary", "linear"]

# An alarm needs 2 of 3 minutes, and metrics arrive some minutes late.
_MIN_WAIT_SECONDS: Final = 300
WAIT_EXPECTED: Final = f"0, or a whole number from {_MIN_WAIT_SECONDS} to 3600"
# API_BlueGreenUpdatePolicy.html in SageMaker's API reference
_MAX_UPDATE_SECONDS: Final = 28_800
# With which kinds a setting has an effect.
ROLLOUT_SETTINGS: Final = {
    "rollout_canary_percent": ("canary",),
    "rollout_linear_step_percent": ("linear",),
    "rollout_wait_seconds": ("canary", "linear"),
}
# Time to start instances and to pull image and model, besides the configured waits.
_PROVISIONING_SECONDS: Final = 1800


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """The steps of an update.

    Attributes:
        kind: as the setting.
        setting: the name of the setting that has the size of a step; None for all at once.
        step_percent: size of the canary or of a linear step, in percent of the instances.
        wait_seconds: between two steps.
        baking_seconds: after the last step.
    """

    kind: RolloutKind
    setting: str | None
    step_percent: int
    wait_seconds: int
    baking_seconds: int

    @property
    def waits_seconds(self) -> int:
        """Seconds from the first step until all of the traffic is shifted, at most."""
        linear = math.ceil(100 / self.step_percent)
        steps = {"all_at_once": 1, "canary": 2, "linear": linear}[self.kind]
        return (steps - 1) * self.wait_seconds

    def step_of(self, instances: int) -> int:
        """Return the instances of a step.

        AWS does not document how a percentage is rounded: rounded up is the larger one.
        """
        return math.ceil(instances * self.step_percent / 100)

    def fits(self, instances: int) -> bool:
        """Return whether SageMaker makes the steps with so many instances: half of them at most."""
        return self.setting is None or self.step_of(instances) <= instances / 2

    def timeout_seconds(self, container_startup_timeout_seconds: int) -> int:
        """Return after which time SageMaker gives an update up."""
        return (
            self.waits_seconds
            + self.baking_seconds
            + container_startup_timeout_seconds
            + _PROVISIONING_SECONDS
        )


def check_wait(name: str, seconds: int) -> None:
    """Refuse a wait in which no alarm can be raised.

    Raises:
        ValueError: it is neither 0 nor long enough.
    """
    if 0 < seconds < _MIN_WAIT_SECONDS:
        raise ValueError(
            f"serving.{name} = {seconds}: expected {WAIT_EXPECTED}: a rollback alarm needs two "
            "minutes of metrics, which arrive some minutes late"
        )


def check_steps(rollout: Rollout, instance_counts: range) -> None:
    """Refuse steps that SageMaker would not make with every size of the fleet.

    A step of whole instances has at most half of them.

    Args:
        rollout: the steps.
        instance_counts: the sizes that the fleet may have.

    Raises:
        ValueError: with a size of the fleet, a step is more than half of it.
    """
    if rollout.setting is None:
        return
    if instance_counts[0] == 1:
        raise ValueError(
            f"serving.rollout = {rollout.kind!r} with serving.min_instance_count = 1: a step takes "
            "at most half of the instances, expected a min_instance_count of at least 2, or "
            "rollout all_at_once"
        )
    for count in instance_counts:
        if not rollout.fits(count):
            raise ValueError(
                f"serving.{rollout.setting} = {rollout.step_percent}: of {count} instances these "
                f"are {rollout.step_of(count)}, and a step takes at most half of them; expected at "
                f"most {count // 2 * 100 // count}, or another min_instance_count and "
                "max_instance_count"
            )


def check_timeout(rollout: Rollout, container_startup_timeout_seconds: int) -> None:
    """Refuse waits that are longer than SageMaker lets an update take.

    Raises:
        ValueError: the update could take more than 8 hours.
    """
    seconds = rollout.timeout_seconds(container_startup_timeout_seconds)
    if seconds > _MAX_UPDATE_SECONDS:
        raise ValueError(
            f"serving.rollout_wait_seconds = {rollout.wait_seconds}: with the start of instances "
            f"and rollback_baking_seconds an update could take {seconds} s, expected at most "
            f"{_MAX_UPDATE_SECONDS}: a shorter wait, or a larger "
            f"rollout_linear_step_percent than {rollout.step_percent}"
        )
