"""The stage that `make batch` works on: its clients, its bucket and its state machine."""

from dataclasses import dataclass
from pathlib import Path

from stacks.names import BATCH_BUCKET_OUTPUT, BATCH_STATE_MACHINE_OUTPUT
from tools.account.account import read_stage
from tools.stage_access import StageWithMachine, clients_of, outputs_of, require_output

_BYTES_OF_MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class BatchStage(StageWithMachine):
    """A deployed stage, whose state machine runs batch jobs.

    Attributes:
        bucket: name of the bucket with the images and results of batch jobs.
    """

    bucket: str

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
