"""Alarms of a paused stage do not notify: it is meant to have no endpoint and no traffic."""

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.components.shared.pause import Pause


def silence_while_paused(stack: Stack) -> None:
    """Disable the actions of all alarms of a stack while its parameter `Paused` is true.

    Their states still follow the metrics. An alarm whose actions are disabled anyway stays so.

    Args:
        stack: of the alarms, with all of them.
    """
    pause = Pause(stack)
    for node in stack.node.find_all():
        if (
            isinstance(node, cloudwatch.CfnAlarm | cloudwatch.CfnCompositeAlarm)
            and node.actions_enabled is not False
        ):
            node.actions_enabled = pause.choose(running=True, paused=False)
