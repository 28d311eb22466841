"""The variants of endpoints that are registered for scaling."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.applicationautoscaling.models import (
    FakeApplicationAutoscalingPolicy,
    FakeScalableTarget,
    applicationautoscaling_backends,
)

from local_cloud.autoscaling.activities import TargetKey
from local_cloud.autoscaling.decision import Suspended
from local_cloud.autoscaling.policy import Bounds
from local_cloud.autoscaling.resources import VARIANT
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting.hosting import HostedVariant
from local_cloud.sagemaker.moto_backend import Scope


@dataclass(frozen=True)
class ScalableTarget:
    """A registered variant that is in service, and its policies."""

    key: TargetKey
    endpoint_name: str
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
    backend = applicationautoscaling_backends[scope.account_id][scope.region]
    for dimension, registered in list(backend.targets.items()):
        for resource_id, target in list(registered.items()):
            named = VARIANT.fullmatch(resource_id)
            if not named:
                continue
            try:
                variant = endpoints.deployment(scope, named[1]).choose(named[2])
            except AwsError:
                continue
            if variant.fleet.size == 0:  # it is being stopped
                continue
            policies = [
                policy
                for policy in list(backend.policies.values())
                if (policy.resource_id, policy.scalable_dimension) == (resource_id, dimension)
            ]
            key = TargetKey(scope, resource_id, dimension)
            yield ScalableTarget(key, named[1], variant, target, policies)
