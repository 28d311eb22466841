"""Warns of a scaling target that buys many more instances than the load needs."""

import sys

from stacks.settings.stage import StageSettings

_MIN_SHARE = 0.05


def warn_of_small_target(settings: StageSettings) -> None:
    """Print a warning if an instance is hardly used when scaling adds another one."""
    serving = settings.serving
    capacity = serving.measured_capacity_per_second
    if capacity is None or not serving.scales:
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
