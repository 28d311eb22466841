"""Moto's records of scalable targets, their policies and their scheduled actions."""

from collections.abc import Iterator

from moto.applicationautoscaling.models import (
    FakeApplicationAutoscalingPolicy,
    FakeScalableTarget,
    FakeScheduledAction,
    applicationautoscaling_backends,
)

from local_cloud.autoscaling.resources import VARIANT, TargetKey
from local_cloud.sagemaker.moto_backend import Scope

_NAMESPACE = "sagemaker"


class ScalingRecords:
    """The records of one account and region.

    Args:
        scope: account and region.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._backend = applicationautoscaling_backends[scope.account_id][scope.region]

    def targets(self) -> Iterator[tuple[TargetKey, FakeScalableTarget]]:
        """Yield the registered variants."""
        for dimension, registered in list(self._backend.targets.items()):
            for resource_id, target in list(registered.items()):
                if VARIANT.fullmatch(resource_id):
                    yield TargetKey(self._scope, resource_id, dimension), target

    def target(self, resource_id: str, dimension: str) -> FakeScalableTarget | None:
        """Return a registered target, None if there is none."""
        registered = self._backend.targets.get(dimension, {})
        return registered.get(resource_id)

    def policies(self, key: TargetKey) -> list[FakeApplicationAutoscalingPolicy]:
        """Return the policies of a target."""
        return [
            policy
            for policy in list(self._backend.policies.values())
            if (policy.resource_id, policy.scalable_dimension) == (key.resource_id, key.dimension)
        ]

    def policy(self, key: TargetKey, name: str) -> FakeApplicationAutoscalingPolicy | None:
        """Return a policy of a target by its name, None if there is none."""
        return self._backend.policies.get(
            FakeApplicationAutoscalingPolicy.formulate_key(
                _NAMESPACE, key.resource_id, key.dimension, name
            )
        )

    def scheduled_actions(self, key: TargetKey) -> list[FakeScheduledAction]:
        """Return the scheduled actions of a target."""
        return [
            action
            for action in list(self._backend.scheduled_actions)
            if (action.resource_id, action.scalable_dimension) == (key.resource_id, key.dimension)
        ]

    def scheduled_action(self, key: TargetKey, name: str) -> FakeScheduledAction | None:
        """Return a scheduled action of a target by its name, None if there is none."""
        named = (
            action for action in self.scheduled_actions(key) if action.scheduled_action_name == name
        )
        return next(named, None)

    def forget(self, key: TargetKey) -> None:
        """Delete what belongs to a target that is registered no longer."""
        gone_policies, gone_actions = self.policies(key), self.scheduled_actions(key)
        for name, policy in list(self._backend.policies.items()):
            if policy in gone_policies:
                del self._backend.policies[name]
        for action in gone_actions:
            self._backend.scheduled_actions.remove(action)
