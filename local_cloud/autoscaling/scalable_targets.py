"""The variants of endpoints that are registered for scaling."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.applicationautoscaling.models import (
    FakeApplicationAutoscalingPolicy,
    FakeScalableTarget,
)

from local_cloud.autoscaling.decision import Suspended
from local_cloud.autoscaling.policy import Bounds
from local_cloud.autoscaling.records import ScalingRecords
from local_cloud.autoscaling.resources import TargetKey
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting.hosting import HostedVariant
from local_cloud.sagemaker.moto_backend import Scope


@dataclass(frozen=True)
class ScalableTarget:
    """A registered variant that is in service, and its policies."""

    key: TargetKey
    variant: HostedVariant
    registered: FakeScalableTarget
    policies: list[FakeApplicationAutoscalingPolicy]

    @property
    def bounds(self) -> Bounds:
        """The bounds of the capacity."""
        return Bounds(int(self.registered.min_capacity), int(self.registered.max_capacity))

    @property
    def suspended(self) -> Suspended:
        """Which changes of policies are suspended."""
        state: Mapping[str, Any] = self.registered.suspended_state or {}
        return Suspended(
            scale_in=bool(state.get("DynamicScalingInSuspended")),
            scale_out=bool(state.get("DynamicScalingOutSuspended")),
        )


def scalable_targets(endpoints: Endpoints, scope: Scope) -> Iterator[ScalableTarget]:
    """Yield the targets whose variants have instances.

    Args:
        endpoints: have the variants.
        scope: account and region.
    """
    records = ScalingRecords(scope)
    for key, registered in records.targets():
        try:
            variant = endpoints.deployment(scope, key.endpoint_name).choose(key.variant_name)
        except AwsError:
            continue
        # Without instances it is being stopped. The provisioned concurrency of a serverless variant
        # is kept as a number: no container is started before a request.
        if variant.fleet.size == 0 or variant.serverless is not None:
            continue
        yield ScalableTarget(key, variant, registered, records.policies(key))
