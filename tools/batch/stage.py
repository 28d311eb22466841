"""The stage that `make batch` works on: its clients, its bucket and its state machine."""

from dataclasses import dataclass
from pathlib import Path

from stacks.names import BATCH_BUCKET_OUTPUT, BATCH_STATE_MACHINE_OUTPUT
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage
from tools.stage_access import Client, clients_of, outputs_of, require_output, stage_option

_BYTES_OF_MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class BatchStage:
    """A deployed stage.

    Attributes:
        settings: of the stage.
        client: returns the client of a service.
        bucket: name of the bucket with the images and results of batch jobs.
        state_machine_arn: of the state machine that runs them.
    """

    settings: StageSettings
    client: Client
    bucket: str
    state_machine_arn: str

    @property
    def option(self) -> str:
        """The stage as an option of make, with a space before it; "" for the default."""
        return stage_option(self.settings.stage)

    @property
    def max_image_bytes(self) -> int:
        """The largest image that is sent."""
        return self.settings.batch.max_payload_mb * _BYTES_OF_MB


def open_batch_stage(stage: str, deployment: Path) -> BatchStage:
    """Find what a stage has deployed for batch jobs.

    Args:
        stage: names config/<stage>.toml.
        deployment: as of `clients_of`.

    Raises:
        ToolError: the settings are invalid, as `clients_of`, or the stage is not deployed.
    """
    settings = read_stage(stage, deployment)
    client = clients_of(settings, deployment)
    outputs = outputs_of(client, settings, "batch")
    return BatchStage(
        settings=settings,
        client=client,
        bucket=require_output(outputs, BATCH_BUCKET_OUTPUT, settings, "batch"),
        state_machine_arn=require_output(outputs, BATCH_STATE_MACHINE_OUTPUT, settings, "batch"),
    )
