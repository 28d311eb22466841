"""The parameter with which `make pause` changes a deployed stack, until `make resume`."""

from typing import Any

from aws_cdk import CfnCondition, CfnParameter, Fn, IResolvable, Stack

from stacks.names import PAUSED_PARAMETER


class Pause:
    """The parameter `Paused` of a stack, and the condition that it is not paused.

    A parameter and no setting: `make pause` updates the deployed template with it, and a deployment
    with the CDK command line keeps its value.

    Args:
        stack: has one such parameter.

    Attributes:
        value: "true" or "false", known when the stack is deployed.
        running: the condition that the stage is not paused.
    """

    def __init__(self, stack: Stack) -> None:
        parameter = CfnParameter(
            stack,
            PAUSED_PARAMETER,
            type="String",
            default="false",
            allowed_values=["false", "true"],
            description="Set by make pause and make resume, not by hand: both change two stacks",
        )
        self.value = parameter.value_as_string
        self.running = CfnCondition(
            stack, "Running", expression=Fn.condition_equals(self.value, "false")
        )

    def choose(self, *, running: Any, paused: Any) -> IResolvable:
        """Return a value of a property, which follows the parameter."""
        return Fn.condition_if(self.running.logical_id, running, paused)
