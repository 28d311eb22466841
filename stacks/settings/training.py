"""The settings of a training job."""

from typing import Self

from pydantic import Field, model_validator

from stacks.settings import instance_types
from stacks.settings.base import Settings
from stacks.settings.instance_types import InstanceType
from stacks.settings.offered_instance_types import check_offered


class TrainingSettings(Settings):
    """The machines of a training job."""

    instance_type: InstanceType = Field(
        default="ml.m5.xlarge", description="SageMaker instance type of a training job."
    )
    instance_count: int = Field(
        default=1,
        ge=1,
        le=20,
        description="Machines of a training job. Only 1 is accepted: `train.py` does not "
        "distribute its work yet.",
    )
    volume_size_gib: int = Field(
        default=30,
        ge=1,
        le=16_384,
        description="Disk of each machine, for the dataset and the checkpoints.",
    )
    max_runtime_seconds: int = Field(
        default=14_400, ge=60, le=432_000, description="A job that runs longer is stopped."
    )

    @model_validator(mode="after")
    def _check_instance_type(self) -> Self:
        kind = self.instance_type
        if instance_types.is_neuron(kind):
            raise ValueError(
                f"training.instance_type = {kind!r} computes on AWS Inferentia or Trainium: "
                "train.py runs on CPUs and NVIDIA GPUs, expected a type such as ml.m5.xlarge or "
                "ml.g5.xlarge"
            )
        check_offered("training.instance_type", kind, "training")
        return self

    @model_validator(mode="after")
    def _check_instance_count(self) -> Self:
        if self.instance_count > 1:
            raise ValueError(
                f"training.instance_count = {self.instance_count}: expected 1: train.py trains on "
                "one machine, and each of several would train on the whole dataset"
            )
        return self
