"""Scales the variants of endpoints by their policies and within the bounds of their schedules."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from local_cloud.autoscaling.activities import Activities, Activity
from local_cloud.autoscaling.decision import AT_MAXIMUM, AT_MINIMUM, Decision, after, decide
from local_cloud.autoscaling.policy import ScalingState
from local_cloud.autoscaling.policy_reader import Alarms, PolicyReader
from local_cloud.autoscaling.resources import TargetKey
from local_cloud.autoscaling.scalable_targets import ScalableTarget, scalable_targets
from local_cloud.autoscaling.scheduled_actions import ScheduledActions
from local_cloud.clock import Clock
from local_cloud.cloudwatch.queries import Read
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting.hosting import HostedVariant
from local_cloud.sagemaker.moto_backend import Scope, endpoint_record

logger = logging.getLogger(__name__)


@dataclass
class _History:
    """When a fleet changed, which deployment it was of, and the change in progress.

    Attributes:
        not_scaled: policy and reason of the last decision, if that changed nothing.
    """

    fleet: ScalingState
    variant: HostedVariant
    change: tuple[Activity, int] | None = None
    not_scaled: tuple[str | None, str] | None = None


class Scaler:
    """Applies the scheduled actions and scaling policies of all endpoints when it is told to.

    Args:
        endpoints: their variants are scaled.
        read: returns a metric's statistic.
        alarms: start step scaling policies.
        clock: the time.
    """

    def __init__(self, endpoints: Endpoints, read: Read, alarms: Alarms, clock: Clock) -> None:
        self._endpoints, self._clock = endpoints, clock
        self._policies = PolicyReader(read, alarms, clock)
        self._activities = Activities(clock)
        self._scheduled_actions = ScheduledActions(self._activities, clock)
        self._histories: dict[TargetKey, _History] = {}

    def tick(self) -> None:
        """Run what is due, evaluate every policy once and start the changes that they decide."""
        for scope in {scope for scope, _ in self._endpoints.deployments()}:
            self._scheduled_actions.run(scope)
            for target in scalable_targets(self._endpoints, scope):
                history = self._observe(target)
                record = endpoint_record(scope, target.key.endpoint_name)
                if record is None or record.endpoint_status != "InService":
                    continue
                self._settle(history)
                decision = self._decide(target, history.fleet)
                self._act(target, history, decision)

    def activities(self, scope: Scope, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return DescribeScalingActivities' response.

        Raises:
            AwsError: a filter or the token is not valid.
        """
        for key, history in list(self._histories.items()):
            record = endpoint_record(key.scope, key.endpoint_name)
            if record is not None and record.endpoint_status == "InService":
                self._settle(history)
        return self._activities.describe(scope, parameters)

    def _observe(self, target: ScalableTarget) -> _History:
        """Note a capacity that something else has changed, such as a deployment."""
        size = target.variant.fleet.size
        history = self._histories.get(target.key)
        if history is None:
            history = _History(
                ScalingState(capacity=size, changed_at=self._clock.now()), target.variant
            )
            self._histories[target.key] = history
        elif history.variant is not target.variant or history.fleet.capacity != size:
            history.variant = target.variant
            history.fleet = replace(history.fleet, capacity=size, changed_at=self._clock.now())
        return history

    def _decide(self, target: ScalableTarget, fleet: ScalingState) -> Decision | None:
        return decide(
            fleet, target.bounds, tracked=self._policies.tracked(target),
            stepped=self._policies.stepped(target), suspended=target.suspended,
            now=self._clock.now(),
        )  # fmt: skip

    def _act(self, target: ScalableTarget, history: _History, decision: Decision | None) -> None:
        reason = decision.not_scaled if decision else None
        before = history.not_scaled
        history.not_scaled = (decision.policy_name, reason) if decision and reason else None
        if decision is None:
            return
        if reason is None:
            self._change(target, history, decision)
        elif history.not_scaled != before:
            self._note_not_scaled(target, history.fleet, decision, reason)

    def _change(self, target: ScalableTarget, history: _History, decision: Decision) -> None:
        before, wanted = history.fleet.capacity, decision.capacity
        activity = self._activities.begin(
            target.key,
            description=f"Setting desired instance count to {wanted}.",
            cause=_cause(decision),
            details=f"{decision.cause}, from {before} to {wanted} instances",
        )
        change = {"VariantName": target.variant.name, "DesiredInstanceCount": wanted}
        try:
            self._endpoints.resize(
                target.key.scope,
                {"EndpointName": target.key.endpoint_name, "DesiredWeightsAndCapacities": [change]},
            )
        except AwsError as error:
            logger.warning("endpoint %s is not scaled: %s", target.key.endpoint_name, error.message)
            activity.end("Failed", error.message, self._clock.now())
            return
        activity.status = "InProgress"
        history.change = (activity, wanted)
        history.fleet = after(history.fleet, decision, now=self._clock.now())
        logger.info(
            "endpoint %s: %d to %d instances: %s",
            target.key.endpoint_name, before, wanted, decision.cause,
        )  # fmt: skip

    def _settle(self, history: _History) -> None:
        """End the activity of a change, of an endpoint that is in service again."""
        if history.change is None:
            return
        activity, wanted = history.change
        size, now = history.variant.fleet.size, self._clock.now()
        record = endpoint_record(activity.target.scope, activity.target.endpoint_name)
        history.change = None
        if size == wanted:
            done = f"Successfully set desired instance count to {wanted}."
            activity.end("Successful", f"{done} Change successfully fulfilled by sagemaker.", now)
        elif record is not None and record.failure_reason:
            activity.end("Unfulfilled", record.failure_reason, now)
        else:
            activity.end("Overridden", f"The instance count was set to {size} meanwhile.", now)

    def _note_not_scaled(
        self, target: ScalableTarget, fleet: ScalingState, decision: Decision, reason: str
    ) -> None:
        activity = self._activities.begin(
            target.key,
            description="Attempting to scale due to alarm triggered",
            cause=_cause(decision),
            details=decision.cause,
        )
        activity.end("Failed", "", self._clock.now())
        described: dict[str, Any] = {"Code": reason, "CurrentCapacity": fleet.capacity}
        if reason == AT_MAXIMUM:
            described["MaxCapacity"] = target.bounds.maximum
        elif reason == AT_MINIMUM:
            described["MinCapacity"] = target.bounds.minimum
        activity.not_scaled_reasons = [described]


def _cause(decision: Decision) -> str:
    if decision.policy_name is None:
        return decision.cause
    return f"policy {decision.policy_name}: {decision.cause}"
