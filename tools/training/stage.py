"""The stage that a verb of training works on: its clients, buckets and state machine."""

from dataclasses import dataclass
from pathlib import Path

from stacks.names import MODELS_BUCKET_OUTPUT
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage
from tools.stage_access import Client, clients_of, outputs_of, require_output, stage_option


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
        return stage_option(self.settings.stage)


def open_stage(stage: str, deployment: Path) -> TrainingStage:
    """Find what a stage has deployed for training.

    Args:
        stage: names config/<stage>.toml.
        deployment: as of `clients_of`.

    Raises:
        ToolError: the settings are invalid, as `clients_of`, or the stage is not deployed.
    """
    settings = read_stage(stage, deployment)
    client = clients_of(settings, deployment)
    training = outputs_of(client, settings, "training")
    return TrainingStage(
        settings=settings,
        client=client,
        datasets_bucket=require_output(training, "DatasetsBucket", settings, "training"),
        models_bucket=require_output(
            outputs_of(client, settings, "storage"), MODELS_BUCKET_OUTPUT, settings, "storage"
        ),
        state_machine_arn=require_output(training, "StateMachineArn", settings, "training"),
    )
