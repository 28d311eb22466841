"""How a tool reaches a deployed stage: its clients, and the outputs of its stacks."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stacks.settings.stage import StageSettings
from tools.aws import aws_client, find_stack, stack_outputs
from tools.console import ToolError
from tools.delivery.clients import stage_clients
from tools.local.deployment import connection_problem, read_local_deployment

LOCAL: Final = "local"

# Returns the client of a service.
Client = Callable[[str], Any]


def clients_of(settings: StageSettings, deployment: Path) -> Client:
    """Return the clients of a stage: those of the running local cloud, or of an account.

    Args:
        settings: of the stage.
        deployment: the file that `make up` wrote, for the stage local.

    Raises:
        ToolError: no local cloud is running, or the credentials are missing or of another account.
    """
    if settings.stage != LOCAL:
        return stage_clients(settings)
    found = read_local_deployment(deployment)
    if problem := connection_problem(found):
        raise ToolError(
            f"The local cloud of {deployment} does not respond at "
            f"{found.environment['AWS_ENDPOINT_URL']} ({problem}): start it with `make up`."
        )
    return functools.cache(lambda service: aws_client(service, found.environment))


def deploy_command(stage: str) -> str:
    """Return the command that deploys a stage.

    Args:
        stage: the stage's name.
    """
    return "make up" if stage == LOCAL else f"make deploy STAGE={stage}"


def stage_option(stage: str) -> str:
    """Return a stage as an option of make, with a space before it; "" for the default.

    Args:
        stage: the stage's name.
    """
    return "" if stage == LOCAL else f" STAGE={stage}"


@dataclass(frozen=True, kw_only=True)
class StageWithMachine:
    """A deployed stage with a state machine.

    Attributes:
        settings: of the stage.
        client: returns the client of a service.
        state_machine_arn: of the state machine.
    """

    settings: StageSettings
    client: Client
    state_machine_arn: str

    @property
    def option(self) -> str:
        """The stage as an option of make, with a space before it; "" for the default."""
        return stage_option(self.settings.stage)


def outputs_of(client: Client, settings: StageSettings, purpose: str) -> dict[str, str]:
    """Return the outputs of a stack of a stage.

    Args:
        client: returns the client of a service.
        settings: of the stage.
        purpose: of the stack, such as api.

    Raises:
        ToolError: it is not deployed.
    """
    described = find_stack(client("cloudformation"), f"{settings.name}-{purpose}")
    if described is None:
        raise ToolError(
            f"The stack {settings.name}-{purpose} is not deployed: run "
            f"`{deploy_command(settings.stage)}` first."
        )
    return stack_outputs(described)


def require_output(
    outputs: Mapping[str, str], name: str, settings: StageSettings, purpose: str
) -> str:
    """Return an output of a stack.

    Args:
        outputs: those of `outputs_of`.
        name: of the output.
        settings: of the stage.
        purpose: of the stack, such as api.

    Raises:
        ToolError: the stack has no such output.
    """
    if name not in outputs:
        raise ToolError(
            f"The stack {settings.name}-{purpose} has no output {name}: wait for its deployment, "
            f"or deploy it with this release (`{deploy_command(settings.stage)}`)."
        )
    return outputs[name]
