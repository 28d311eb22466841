"""Warns of settings of the scaling that do not suit what an instance can respond to."""

import sys
from collections.abc import Collection

from stacks.components.serving.model_server import served_precision
from stacks.settings.measured_capacity import LOCAL, measured_on
from stacks.settings.stage import StageSettings

_MIN_SHARE = 0.05
# The local cloud serves fp32 instead (docs/local-cloud.md).
_MISSING_ON_LAPTOPS = {"bf16", "fp16"}


def warn_of_small_target(settings: StageSettings) -> None:
    """Print a warning if an instance is hardly used when scaling adds another one."""
    serving = settings.serving
    capacity = serving.measured_capacity_per_second
    if capacity is None or not serving.scales or serving.scaling_target != "invocations":
        return
    share = serving.target_invocations_per_instance_per_minute / (60 * capacity)
    if share < _MIN_SHARE:
        print(
            f"warning: stage {settings.stage}: "
            "serving.target_invocations_per_instance_per_minute = "
            f"{serving.target_invocations_per_instance_per_minute:g} is {100 * share:.1f} % of "
            f"what an instance can respond to ({capacity:g} a second): see `make scaling`",
            file=sys.stderr,
        )


def warn_of_other_measurement(settings: StageSettings, files: Collection[str]) -> None:
    """Print a warning if the capacity was measured on something else than the stage deploys.

    Args:
        settings: of the stage.
        files: the names of the files in the archive of the model that it deploys.
    """
    serving = settings.serving
    precision = served_precision(serving, files)
    deployed = measured_on(settings.stage, serving.instance_type, precision)
    accepted = {None, deployed}
    if settings.stage == LOCAL and precision in _MISSING_ON_LAPTOPS:
        accepted.add(measured_on(settings.stage, serving.instance_type, "fp32"))
    if serving.measured_capacity_of not in accepted:
        print(
            f"warning: stage {settings.stage}: serving.measured_capacity_per_second = "
            f"{serving.measured_capacity_per_second:g} was measured on "
            f"{serving.measured_capacity_of!r} and the stage deploys {deployed!r}: measure again "
            f"with `make load STAGE={settings.stage} MEASURE=1`",
            file=sys.stderr,
        )
