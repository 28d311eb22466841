"""Whether a stage is paused: `make pause` has set the parameter of its stacks."""

from collections.abc import Mapping
from typing import Any

from stacks.names import PAUSED_PARAMETER
from tools.aws import find_stack, stack_parameters


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
