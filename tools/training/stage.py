"""The stage that a verb of training works on: its clients, buckets and state machine."""

from dataclasses import dataclass
from pathlib import Path

from stacks.names import MODELS_BUCKET_OUTPUT
from tools.account.account import read_stage
from tools.stage_access import StageWithMachine, clients_of, outputs_of, require_output


@dataclass(frozen=True, kw_only=True)
class TrainingStage(StageWithMachine):
    """A deployed stage, whose state machine trains.

    Attributes:
        datasets_bucket: name of the bucket of datasets.
        models_bucket: name of the bucket of models.
    """

    datasets_bucket: str
    models_bucket: str


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
