"""The settings of batch jobs."""

import math
from typing import Final, Self

from pydantic import Field, model_validator

from stacks.settings import instance_types
from stacks.settings.base import Settings
from stacks.settings.instance_types import InstanceType
from stacks.settings.offered_instance_types import check_offered

# Of model_code/classifier/serving/bodies.py: bodies in memory at a time. SageMaker allows 100.
_MAX_MB_IN_FLIGHT: Final = 64
_SECONDS_OF_DAY: Final = 86_400


class BatchSettings(Settings):
    """A job of `make batch`, which classifies many images without the endpoint (docs/batch.md)."""

    instance_type: InstanceType | None = Field(
        default=None,
        description="SageMaker instance type of a batch job. Not set: `ml.m5.large`, or "
        "`ml.g4dn.xlarge` where `serving.instance_type` has a GPU, since both have one image.",
    )
    instance_count: int = Field(
        default=1, ge=1, le=100, description="Machines of a batch job, which share its images."
    )
    max_concurrent_transforms: int = Field(
        default=4, ge=1, le=64, description="Images that each machine is sent at a time."
    )
    max_payload_mb: int = Field(
        default=10,
        ge=1,
        le=23,
        description="The largest image of a batch job. A larger one is not sent, and is a failure "
        "in the results.",
    )
    max_runtime_seconds: int = Field(
        default=14_400,
        ge=60,
        le=432_000,
        description="A batch job that runs longer is stopped; `make batch RUN=` continues it.",
    )
    retention_days: int = Field(
        default=14,
        ge=2,
        le=3650,
        description="How long the images and results of a batch job are kept in the captures "
        "bucket, and a run can be continued.",
    )

    @model_validator(mode="after")
    def _check_instance_type(self) -> Self:
        kind = self.instance_type
        if kind is None:
            return self
        if instance_types.is_neuron(kind) or instance_types.is_arm(kind):
            raise ValueError(
                f"batch.instance_type = {kind!r}: the serving image is for x86-64 machines, with "
                "or without an NVIDIA GPU, expected a type such as ml.m5.large or ml.g4dn.xlarge"
            )
        check_offered("batch.instance_type", kind, "batch transform")
        if instance_types.has_gpu(kind) and not instance_types.has_current_gpu_driver(kind):
            raise ValueError(
                f"batch.instance_type = {kind!r}: SageMaker has no driver for its GPU that "
                "supports CUDA 12, expected a newer type such as ml.g4dn.xlarge or ml.g5.xlarge"
            )
        return self

    @model_validator(mode="after")
    def _check_memory(self) -> Self:
        in_flight = self.max_concurrent_transforms * self.max_payload_mb
        if in_flight > _MAX_MB_IN_FLIGHT:
            raise ValueError(
                f"batch.max_concurrent_transforms = {self.max_concurrent_transforms} with "
                f"batch.max_payload_mb = {self.max_payload_mb}: the images of a machine that are "
                f"sent at a time may have {in_flight} MB, expected a product of at most "
                f"{_MAX_MB_IN_FLIGHT}, which the model server holds in memory (SageMaker allows "
                "100)"
            )
        return self

    @model_validator(mode="after")
    def _check_retention(self) -> Self:
        days = self.max_runtime_seconds / _SECONDS_OF_DAY
        # `make batch` uploads again what is older than half of it.
        if 2 * days > self.retention_days:
            raise ValueError(
                f"batch.retention_days = {self.retention_days}: expected at least "
                f"{math.ceil(2 * days)}, twice batch.max_runtime_seconds = "
                f"{self.max_runtime_seconds}: images must not expire while a job runs"
            )
        return self


def check_batch_image(batch: BatchSettings, serving_instance_type: str) -> None:
    """Check that batch jobs can run the endpoint's image.

    Args:
        batch: the settings.
        serving_instance_type: `serving.instance_type`.

    Raises:
        ValueError: one of the types has a GPU and the other has none.
    """
    kind = batch.instance_type
    if kind is None or instance_types.has_gpu(kind) == instance_types.has_gpu(
        serving_instance_type
    ):
        return
    raise ValueError(
        f"batch.instance_type = {kind!r} with serving.instance_type = {serving_instance_type!r}: "
        "one has a GPU and the other has none, but both run one image, expected two types with a "
        "GPU or two without, or no batch.instance_type"
    )
