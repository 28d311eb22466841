"""The settings of the notebook instance."""

from typing import Self

from pydantic import Field, model_validator

from stacks.settings.base import Settings
from stacks.settings.instance_types import InstanceType
from stacks.settings.network import SubnetId, VpcId, check_network
from stacks.settings.offered_instance_types import check_offered


class NotebookSettings(Settings):
    """A SageMaker notebook instance, for looking at data and trying things."""

    enabled: bool = Field(
        default=False, description="Whether the stage has a notebook instance, which costs by hour."
    )
    instance_type: InstanceType = Field(
        default="ml.t3.medium", description="SageMaker instance type of the notebook."
    )
    volume_size_gib: int = Field(
        default=20,
        ge=5,
        le=16_384,
        description="Encrypted disk, kept while it is stopped.",
    )
    idle_stop_minutes: int = Field(
        default=60,
        ge=10,
        le=1440,
        description="It is stopped when no kernel and no terminal has worked for so long.",
    )
    direct_internet_access: bool = Field(
        default=False,
        description="Whether the notebook reaches the internet by SageMaker's own network. Without "
        "it, all its traffic goes through `subnet_id`.",
    )
    vpc_id: VpcId | None = Field(default=None, description="The network that has the subnet.")
    subnet_id: SubnetId | None = Field(
        default=None,
        description="Subnet of the notebook; needed without `direct_internet_access`. It needs a "
        "way out to AWS's APIs.",
    )

    @model_validator(mode="after")
    def _check_network(self) -> Self:
        check_network("notebook", self.vpc_id, self.subnet_id)
        if self.enabled and self.subnet_id is None and not self.direct_internet_access:
            raise ValueError(
                "notebook.enabled = true: expected vpc_id and subnet_id, or "
                "direct_internet_access = true"
            )
        return self

    @model_validator(mode="after")
    def _check_instance_type(self) -> Self:
        check_offered("notebook.instance_type", self.instance_type, "notebooks")
        return self
