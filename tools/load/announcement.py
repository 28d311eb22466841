"""Says what a load test sends and costs, and lets the user confirm it."""

import sys

from stacks.settings.stage import StageSettings
from tools import console
from tools.console import ToolError
from tools.load.cost import Planned, describe_cost, estimate
from tools.load.limits import exceeded_limits


def announce(settings: StageSettings, planned: Planned, *, rate: float) -> None:
    """Print what a load costs and which limits it exceeds.

    Args:
        settings: of the stage.
        planned: what is to be sent.
        rate: the highest, in requests a second.
    """
    if settings.stage == "local":
        print("Costs nothing: the stage local is on this machine.")
    else:
        print(describe_cost(estimate(settings, planned), planned))
    if planned.through_api:
        for limit in exceeded_limits(
            settings,
            rate=rate,
            requests=planned.requests,
            seconds_a_request=planned.seconds_a_request,
        ):
            print(f"Note: {limit}")


def confirm(settings: StageSettings, *, yes: bool) -> None:
    """Wait for the user's yes, unless it was given or the stage is `local`.

    Raises:
        ToolError: the user did not agree, or there is no terminal.
    """
    if yes or settings.stage == "local":
        return
    if not sys.stdin.isatty():
        raise ToolError("Nothing was sent. Without a terminal, say YES=1.")
    question = f"Send this to the stage {settings.stage}? Type yes: "
    console.confirm(question, "yes", "Yes", "YES", "y", "Y", refusal="Nothing was sent.")
