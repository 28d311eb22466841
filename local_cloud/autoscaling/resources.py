"""The resources that Application Auto Scaling scales here: variants of endpoints."""

import re
from dataclasses import dataclass
from typing import Final

from local_cloud.sagemaker.moto_backend import Scope

INSTANCES: Final = "sagemaker:variant:DesiredInstanceCount"
VARIANT: Final = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")


@dataclass(frozen=True)
class TargetKey:
    """Names a scalable target, whose resource is a variant."""

    scope: Scope
    resource_id: str
    dimension: str

    @property
    def endpoint_name(self) -> str:
        """The name of the variant's endpoint."""
        return self.resource_id.split("/")[1]

    @property
    def variant_name(self) -> str:
        """The name of the variant."""
        return self.resource_id.split("/")[3]
