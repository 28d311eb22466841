"""The settings of training on a machine of EC2."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from stacks.settings import instance_types
from stacks.settings.base import Settings, text
from stacks.settings.network import SubnetId, VpcId, check_network

Ec2InstanceType = Annotated[
    str,
    text(r"[a-z][a-z0-9-]*\d[a-z0-9-]*\.[a-z0-9-]+", "an instance type of EC2 such as g5.xlarge"),
]


_MIN_GPU_VOLUME_GIB = 90


class Ec2TrainerSettings(Settings):
    """A machine of EC2 that trains a model and then ends itself; none without `subnet_id`."""

    subnet_id: SubnetId | None = Field(
        default=None,
        description="Subnet of the machines; not set: `make train ON=ec2` is off. It needs a way "
        "out to S3, CloudWatch Logs, SageMaker and, for a type without a GPU, the package indexes.",
    )
    vpc_id: VpcId | None = Field(default=None, description="The network that has the subnet.")
    instance_type: Ec2InstanceType = Field(
        default="m5.xlarge",
        description="EC2 instance type, x86 or Arm. With a GPU it starts from AWS's Deep Learning "
        "AMI, without one from Amazon Linux 2023.",
    )
    volume_size_gib: int = Field(
        default=100,
        ge=30,
        le=16_384,
        description="Disk of the machine; a Deep Learning AMI itself takes about 75 GiB.",
    )
    max_runtime_seconds: int = Field(
        default=14_400,
        ge=60,
        le=432_000,
        description="A training that runs longer is stopped, and the machine ended a little later.",
    )

    @property
    def enabled(self) -> bool:
        """Whether the stage has this trainer."""
        return self.subnet_id is not None

    @property
    def has_gpu(self) -> bool:
        """Whether the machine has an NVIDIA GPU."""
        return instance_types.has_gpu(f"ml.{self.instance_type}")

    @property
    def architecture(self) -> str:
        """The machine's architecture as AWS's parameters name it."""
        return "arm64" if instance_types.is_arm(f"ml.{self.instance_type}") else "x86_64"

    @property
    def shutdown_minutes(self) -> int:
        """When the machine ends itself, whatever happens: training's limit, and time to set up."""
        return -(-self.max_runtime_seconds // 60) + 30

    @property
    def limit_minutes(self) -> int:
        """When it is ended from outside, if it has not ended itself."""
        return self.shutdown_minutes + 15

    @model_validator(mode="after")
    def _check_network(self) -> Self:
        check_network("ec2_trainer", self.vpc_id, self.subnet_id)
        return self

    @model_validator(mode="after")
    def _check_volume(self) -> Self:
        if self.has_gpu and self.volume_size_gib < _MIN_GPU_VOLUME_GIB:
            raise ValueError(
                f"ec2_trainer.volume_size_gib = {self.volume_size_gib}: expected at least "
                f"{_MIN_GPU_VOLUME_GIB} for {self.instance_type}: the Deep Learning AMI takes "
                "about 75 GiB"
            )
        return self

    @model_validator(mode="after")
    def _check_instance_type(self) -> Self:
        if instance_types.is_neuron(f"ml.{self.instance_type}"):
            raise ValueError(
                f"ec2_trainer.instance_type = {self.instance_type!r} computes on AWS Inferentia or "
                "Trainium: train.py runs on CPUs and NVIDIA GPUs, expected a type such as "
                "m5.xlarge or g5.xlarge"
            )
        return self
