"""The stage that a verb of training works on: its clients, buckets and state machine."""

import functools
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from stacks.names import MODELS_BUCKET_OUTPUT
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage
from tools.aws import aws_client, find_stack, stack_outputs
from tools.console import ToolError
from tools.delivery.clients import stage_clients
from tools.local.deployment import read_local_deployment

LOCAL: Final = "local"
_CONNECT_SECONDS: Final = 5.0

# Returns the client of a service.
Client = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True)
class TrainingStage:
    """A deployed stage.

    Attributes:
        settings: of the stage.
        client: returns the client of a service.
        datasets_bucket: name of the bucket of datasets.
        models_bucket: name of the bucket of models.
        state_machine_arn: of the state machine that trains.
    """

    settings: StageSettings
    client: Client
    datasets_bucket: str
    models_bucket: str
    state_machine_arn: str

    @property
    def option(self) -> str:
        """The stage as an option of make, with a space before it; "" for the default."""
        return "" if self.settings.stage == LOCAL else f" STAGE={self.settings.stage}"


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
    environment = read_local_deployment(deployment).environment
    _check_running(environment["AWS_ENDPOINT_URL"], deployment)
    return functools.cache(lambda service: aws_client(service, environment))


def open_stage(stage: str, deployment: Path) -> TrainingStage:
    """Find what a stage has deployed for training.

    Args:
        stage: names config/<stage>.toml.
        deployment: as of `clients_of`.

    Raises:
        ToolError: the settings are invalid, as `clients_of`, or the stage is not deployed.
    """
    settings = read_stage(stage)
    client = clients_of(settings, deployment)
    training = _outputs(client, settings, "training")
    return TrainingStage(
        settings=settings,
        client=client,
        datasets_bucket=_output(training, "DatasetsBucket", settings, "training"),
        models_bucket=_output(
            _outputs(client, settings, "storage"), MODELS_BUCKET_OUTPUT, settings, "storage"
        ),
        state_machine_arn=_output(training, "StateMachineArn", settings, "training"),
    )


def deploy_command(settings: StageSettings) -> str:
    """Return the command that deploys a stage."""
    return "make up" if settings.stage == LOCAL else f"make deploy STAGE={settings.stage}"


def _check_running(endpoint: str, deployment: Path) -> None:
    place = urlsplit(endpoint)
    try:
        address = (place.hostname or "", place.port or 0)
        socket.create_connection(address, timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise ToolError(
            f"The local cloud of {deployment} does not respond at {endpoint} "
            f"({error.strerror or error}): start it with `make up`."
        ) from error


def _outputs(client: Client, settings: StageSettings, purpose: str) -> dict[str, str]:
    described = find_stack(client("cloudformation"), f"{settings.name}-{purpose}")
    if described is None:
        raise ToolError(
            f"The stack {settings.name}-{purpose} is not deployed: run "
            f"`{deploy_command(settings)}` first."
        )
    return stack_outputs(described)


def _output(outputs: dict[str, str], name: str, settings: StageSettings, purpose: str) -> str:
    if name not in outputs:
        raise ToolError(
            f"The stack {settings.name}-{purpose} has no output {name}: wait for its deployment, "
            f"or deploy it with this release (`{deploy_command(settings)}`)."
        )
    return outputs[name]
