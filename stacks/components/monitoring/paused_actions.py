"""Alarms of a paused stage do not notify: it is meant to have no endpoint and no traffic."""

from collections.abc import Collection

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import IConstruct

from stacks.components.shared.pause import Pause


def silence_while_paused(stack: Stack, *, except_for: Collection[str] = ()) -> None:
    """Disable the actions of the alarms of a stack while its parameter `Paused` is true.

    Their states still follow the metrics. An alarm whose actions are disabled anyway stays so.

    Args:
        stack: of the alarms, with all of them.
        except_for: construct ids of alarms on what a pause does not stop.
    """
    pause = Pause(stack)
    for node in stack.node.find_all():
        if (
            isinstance(node, cloudwatch.CfnAlarm | cloudwatch.CfnCompositeAlarm)
            and node.actions_enabled is not False
            and _id(node) not in except_for
        ):
            node.actions_enabled = pause.choose(running=True, paused=False)


def _id(resource: IConstruct) -> str:
    """Return the id of the alarm that has a resource."""
    alarm = resource.node.scope
    return alarm.node.id if alarm is not None else ""
