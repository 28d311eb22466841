"""Deletes the stacks of a stage in an order in which CloudFormation can."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import WaiterError

from stacks.settings.stage import StageSettings
from tools.cdk import ROOT, cdk_command
from tools.console import ToolError, slow_step
from tools.deployment.network import network_stack, wait_until_unused

# What may run in the network; the stacks that depend on these are deleted with them.
_USERS = ("api", "batch", "serving", "training")
_WAIT = {"Delay": 5, "MaxAttempts": 240}


def delete_stacks(
    client: Callable[[str], Any],
    settings: StageSettings,
    stacks: Sequence[str],
    *,
    application: Sequence[str],
    environment: Mapping[str, str],
) -> int:
    """Delete the stacks; a network when the last interface of what ran in it has left it.

    Args:
        client: returns a boto3 client of a service.
        settings: of the stage.
        stacks: names of the deployed stacks.
        application: the CLI's options that name the app.
        environment: of the CLI.

    Returns:
        The CLI's exit status.

    Raises:
        ToolError: interfaces remain in the network.
    """

    def destroy(*chosen: str) -> int:
        command = cdk_command("destroy", *chosen, "--force", *application)
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - above

    network = network_stack(settings.name)
    if network in stacks:
        if status := destroy(*(f"{settings.name}-{purpose}" for purpose in _USERS)):
            return status
        _delete_network(client, network)
    return destroy("--all")


def _delete_network(client: Callable[[str], Any], stack: str) -> None:
    cloudformation = client("cloudformation")
    with slow_step("Wait until the last network interfaces have left the network"):
        wait_until_unused(cloudformation, client("ec2"), stack)
    with slow_step(f"Delete {stack}"):
        # Not by the CLI: the app may have no network any more.
        cloudformation.delete_stack(StackName=stack)
        try:
            waiter = cloudformation.get_waiter("stack_delete_complete")
            waiter.wait(StackName=stack, WaiterConfig=_WAIT)
        except WaiterError as error:
            raise ToolError(
                f"The stack {stack} cannot be deleted yet ({error}): its events in CloudFormation "
                "name the resource. Run this command again later."
            ) from error
