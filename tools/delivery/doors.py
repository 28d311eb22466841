"""Who deploys a stage: `delivery` in its settings."""

import os

from stacks.settings.stage import StageSettings
from tools.console import ToolError

_NAMES = {"pipeline": "the pipeline", "github": "the workflow on GitHub"}


def breaks_glass() -> bool:
    """Return whether the user said BREAK_GLASS=1: deploy in spite of the stage's `delivery`."""
    return os.environ.get("WHIPPET_BREAK_GLASS", "") not in {"", "0"}


def refuse_other_door(settings: StageSettings) -> None:
    """Reject a deployment from a laptop of a stage that something else deploys.

    Raises:
        ToolError: something else deploys the stage, and the user did not say BREAK_GLASS=1.
    """
    if settings.delivery == "laptop" or breaks_glass():
        return
    name = _NAMES[settings.delivery]
    raise ToolError(
        f'The stage {settings.stage} is deployed by {name} (delivery = "{settings.delivery}" in '
        f"config/{settings.stage}.toml): push to the main branch. In an emergency, add "
        "BREAK_GLASS=1, and push the same state afterwards: the next run would undo yours."
    )


def remind_of_main(settings: StageSettings) -> None:
    """After a deployment around the stage's own door, say that main must follow."""
    if settings.delivery != "laptop":
        name = _NAMES[settings.delivery]
        print(
            f"Deployed around {name}. Push this state to the main branch now: the next run of "
            f"{name} deploys what is there."
        )
