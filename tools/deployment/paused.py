"""The parameter of a stage's stacks that `make pause` sets: whether it is paused."""

from collections.abc import Mapping, Sequence
from typing import Any

from stacks.names import PAUSED_PARAMETER
from stacks.settings.stage import StageSettings
from tools.aws import find_stack, stack_parameters
from tools.console import ToolError, step
from tools.deployment.stack_update import update_with_previous_template, wait_for_update
from tools.stage_access import Client, deploy_command

Stack = dict[str, Any]
_UNDER_WAY = {"UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}
_CAN_BE_UPDATED = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
_TITLES = {
    ("monitoring", True): "Silence the alarms",
    ("serving", True): "Stop the endpoint and its scaling",
    ("serving", False): "Start the endpoint and its scaling",
    ("monitoring", False): "Let the alarms notify again",
}


def is_paused(cloudformation: Any, stage_name: str) -> bool:
    """Return whether a stage is deployed, and has no endpoint because it is paused.

    Args:
        cloudformation: boto3 client.
        stage_name: what the stacks' names start with, such as whippet-dev.
    """
    described = find_stack(cloudformation, f"{stage_name}-serving")
    return described is not None and is_paused_stack(described)


def is_paused_stack(described: Mapping[str, Any]) -> bool:
    """Return whether a stack's parameter says that the stage is paused.

    Args:
        described: CloudFormation's description of the stack.
    """
    return stack_parameters(described).get(PAUSED_PARAMETER) == "true"


def paused_note(stage: str) -> str:
    """Return a sentence for the deployment or the check of a paused stage."""
    return (
        f"The stage {stage} is paused: it has no endpoint, and the API responds 503 "
        f"`endpoint_paused`, until `make resume STAGE={stage}`."
    )


def find_stacks(
    settings: StageSettings, client: Client, purposes: Sequence[str], *, paused: bool
) -> dict[str, Stack]:
    """Describe the stacks to update; wait for an update of an earlier run that was interrupted.

    Args:
        settings: of the stage.
        client: returns the client of a service.
        purposes: of the stacks, in the order of their update.
        paused: whether the stage is to be paused.

    Raises:
        ToolError: a stack is not deployed, has no such parameter, or cannot be updated now; none
            was changed.
    """
    cloudformation = client("cloudformation")
    stacks = {}
    for purpose in purposes:
        described = _require(cloudformation, settings, purpose)
        if described["StackStatus"] in _UNDER_WAY and is_paused_stack(described) is paused:
            with step(f"Wait for the update of {described['StackName']} that is in progress"):
                wait_for_update(cloudformation, described["StackName"])
            described = _require(cloudformation, settings, purpose)
        _check_can_be_updated(described)
        stacks[purpose] = described
    return stacks


def _require(cloudformation: Any, settings: StageSettings, purpose: str) -> Stack:
    name = f"{settings.name}-{purpose}"
    described = find_stack(cloudformation, name)
    if described is None or described["StackStatus"] == "REVIEW_IN_PROGRESS":
        raise ToolError(
            f"The stage {settings.stage} is not deployed: there is no stack {name}. Deploy it with "
            f"`{deploy_command(settings.stage)}`."
        )
    if PAUSED_PARAMETER not in stack_parameters(described):
        raise ToolError(
            f"The stack {name} has no parameter {PAUSED_PARAMETER}: deploy this release once, with "
            f"`{deploy_command(settings.stage)}` or as the stage is always deployed."
        )
    return described


def _check_can_be_updated(described: Stack) -> None:
    name, status = described["StackName"], described["StackStatus"]
    if status in _CAN_BE_UPDATED:
        return
    todo = (
        "wait until that has ended, and try again"
        if status.endswith("_IN_PROGRESS")
        else "repair it first (CloudFormation's console, Stack actions), or deploy the stage again"
    )
    raise ToolError(f"The stack {name} is {status}, and nothing was changed: {todo}.")


def outdated_stacks(stacks: dict[str, Stack], *, paused: bool) -> dict[str, Stack]:
    """Return the stacks whose parameter has another value."""
    return {purpose: each for purpose, each in stacks.items() if is_paused_stack(each) != paused}


def update_stacks(client: Client, stage: str, stacks: dict[str, Stack], *, paused: bool) -> None:
    """Give the parameter its value in each stack, in their order, and wait.

    Args:
        client: returns the client of a service.
        stage: the stage's name.
        stacks: by purpose.
        paused: whether the stage is to be paused.

    Raises:
        ToolError: an update was refused or rolled back.
    """
    verb = "pause" if paused else "resume"
    value = "true" if paused else "false"
    for purpose, described in stacks.items():
        try:
            with step(_TITLES[purpose, paused]):
                update_with_previous_template(
                    client("cloudformation"), described, parameters={PAUSED_PARAMETER: value}
                )
        except ToolError as error:
            raise ToolError(
                f"The update of {described['StackName']} has failed: {error}\n"
                f"When that is solved, `make {verb} STAGE={stage}` goes on from here."
            ) from error
