"""The settings of a training job and of the gate behind it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from stacks.settings import instance_types
from stacks.settings.base import Settings
from stacks.settings.instance_types import InstanceType
from stacks.settings.monitoring import EmailAddress
from stacks.settings.offered_instance_types import check_offered

MAX_INSTANCE_COUNT = 8


class TrainingSettings(Settings):
    """The machines of a training job, and what its model must reach to be registered."""

    instance_type: InstanceType = Field(
        default="ml.m5.xlarge", description="SageMaker instance type of a training job."
    )
    instance_count: int = Field(
        default=1,
        ge=1,
        le=MAX_INSTANCE_COUNT,
        description="Machines of a training job, which share its work. An execution may choose "
        "another number.",
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
    use_spot: bool = Field(
        default=False,
        description="Whether jobs run on spot capacity, which is cheaper and may be interrupted; "
        "they go on from their last checkpoint.",
    )
    max_wait_seconds: int | None = Field(
        default=None,
        ge=60,
        le=2_592_000,
        description="With `use_spot`: a job that has not ended by then, waiting for spot capacity "
        "included, is stopped.",
    )
    packages: Literal["wheels", "image"] = Field(
        default="wheels",
        description="Where a job finds the packages that AWS's training image lacks. `wheels`: in "
        "the bucket of datasets, where `make train ON=sagemaker` puts them; `image`: the training "
        "environment has them.",
    )
    network_isolation: bool = Field(
        default=False,
        description="Whether the container of a job has no network, but for the other machines of "
        "the same job.",
    )
    encrypt_traffic_between_instances: bool = Field(
        default=False,
        description="Whether what the machines of a job send to each other is encrypted, which "
        "makes it slower.",
    )
    profile: bool = Field(
        default=False,
        description="Whether the use of processors, GPUs, memory and network by a job is recorded. "
        "Not the jobs of a tuning job, which SageMaker does not profile.",
    )
    minimum_test_accuracy: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="A model below it is not registered: share of the test images with the right "
        "label.",
    )
    maximum_accuracy_loss: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="A model that is worse by more than this than the newest approved one on the "
        "same test images is not registered.",
    )
    notification_email: EmailAddress | None = Field(
        default=None,
        description="Gets a message when a model waits for approval or its training has failed, "
        "after confirming the subscription.",
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
        if instance_types.is_arm(kind):
            raise ValueError(
                f"training.instance_type = {kind!r} is an Arm machine: the training images are "
                "for x86-64, expected a type such as ml.m5.xlarge or ml.g5.xlarge"
            )
        if instance_types.has_gpu(kind) and not instance_types.supports_cuda_13(kind):
            raise ValueError(
                f"training.instance_type = {kind!r}: the training image computes with CUDA 13, "
                "which does not support its GPU, expected a newer type such as ml.g4dn.xlarge, "
                "ml.g5.xlarge or ml.g6.xlarge"
            )
        return self

    @model_validator(mode="after")
    def _check_spot(self) -> Self:
        wait, runtime = self.max_wait_seconds, self.max_runtime_seconds
        if not self.use_spot and wait is not None:
            raise ValueError(
                f"training.max_wait_seconds = {wait}: expected only with use_spot = true: a job "
                "on other capacity does not wait for it"
            )
        if self.use_spot and wait is None:
            raise ValueError(
                "training.use_spot = true: expected max_wait_seconds, at least "
                f"max_runtime_seconds = {runtime}: spot capacity may be missing for hours"
            )
        if wait is not None and wait < runtime:
            raise ValueError(
                f"training.max_wait_seconds = {wait}: expected at least max_runtime_seconds = "
                f"{runtime}, which it includes"
            )
        return self
