"""Scales the variants of endpoints by their policies and within the bounds of their schedules."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from moto.applicationautoscaling.models import (
    FakeApplicationAutoscalingPolicy,
    FakeScalableTarget,
    applicationautoscaling_backends,
)

from local_cloud.autoscaling.activities import Activities, Activity, TargetKey
from local_cloud.autoscaling.configuration import step_scaling, target_tracking, tracked_metric
from local_cloud.autoscaling.decision import (
    AT_MAXIMUM,
    AT_MINIMUM,
    Decision,
    Stepped,
    Suspended,
    Tracked,
    after,
    decide,
)
from local_cloud.autoscaling.policy import PERIODS_BELOW, Bounds, Fleet
from local_cloud.autoscaling.resources import VARIANT
from local_cloud.autoscaling.scheduled_actions import ScheduledActions
from local_cloud.autoscaling.steps import Breach
from local_cloud.clock import AWS_MINUTE_SECONDS, Clock
from local_cloud.cloudwatch.queries import Periods, Read, read_series
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting.hosting import HostedVariant
from local_cloud.sagemaker.moto_backend import Scope, endpoint_record

logger = logging.getLogger(__name__)


class Alarms(Protocol):
    """The alarms that start step scaling policies."""

    def acting(self, action_arn: str) -> list[Breach]:
        """Return the alarms whose state has this action."""
        ...


@dataclass(frozen=True)
class _Target:
    """A registered variant and its policies."""

    key: TargetKey
    endpoint_name: str
    variant: HostedVariant
    registered: FakeScalableTarget
    policies: list[FakeApplicationAutoscalingPolicy]

    @property
    def bounds(self) -> Bounds:
        return Bounds(int(self.registered.min_capacity), int(self.registered.max_capacity))

    @property
    def suspended(self) -> Suspended:
        state: Mapping[str, Any] = self.registered.suspended_state or {}
        return Suspended(
            scale_in=bool(state.get("DynamicScalingInSuspended")),
            scale_out=bool(state.get("DynamicScalingOutSuspended")),
        )


@dataclass
class _History:
    """When a fleet changed, which deployment it was of, and the change in progress.

    Attributes:
        not_scaled: policy and reason of the last decision, if that changed nothing.
    """

    fleet: Fleet
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
        self._endpoints, self._read, self._alarms, self._clock = endpoints, read, alarms, clock
        self._activities = Activities(clock)
        self._scheduled_actions = ScheduledActions(self._activities, clock)
        self._histories: dict[TargetKey, _History] = {}
        # When an alarm last started a policy: it does so once a minute while its state lasts.
        self._started: dict[tuple[str, str], float] = {}

    def tick(self) -> None:
        """Run what is due, evaluate every policy once and start the changes that they decide."""
        for scope in {scope for scope, _ in self._endpoints.deployments()}:
            self._scheduled_actions.run(scope)
            for target in self._targets(scope):
                history = self._observe(target)
                record = endpoint_record(scope, target.endpoint_name)
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
            named = VARIANT.fullmatch(key.resource_id)
            record = endpoint_record(key.scope, named[1]) if named else None
            if record is not None and record.endpoint_status == "InService":
                self._settle(history)
        return self._activities.describe(scope, parameters)

    def _targets(self, scope: Scope) -> Iterator[_Target]:
        backend = applicationautoscaling_backends[scope.account_id][scope.region]
        for dimension, registered in list(backend.targets.items()):
            for resource_id, target in list(registered.items()):
                named = VARIANT.fullmatch(resource_id)
                if not named:
                    continue
                try:
                    variant = self._endpoints.deployment(scope, named[1]).choose(named[2])
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
                yield _Target(key, named[1], variant, target, policies)

    def _observe(self, target: _Target) -> _History:
        """Note a capacity that something else has changed, such as a deployment."""
        size = target.variant.fleet.size
        history = self._histories.get(target.key)
        if history is None:
            history = _History(Fleet(capacity=size, changed_at=self._clock.now()), target.variant)
            self._histories[target.key] = history
        elif history.variant is not target.variant or history.fleet.capacity != size:
            history.variant = target.variant
            history.fleet = replace(history.fleet, capacity=size, changed_at=self._clock.now())
        return history

    def _decide(self, target: _Target, fleet: Fleet) -> Decision | None:
        tracked: list[Tracked] = []
        stepped: list[Stepped] = []
        for policy in target.policies:
            if policy.target_tracking_scaling_policy_configuration:
                tracked.append(self._tracked(target, policy))
            elif policy.step_scaling_policy_configuration:
                stepped.extend(self._stepped(policy))
        return decide(
            fleet, target.bounds, tracked=tracked, stepped=stepped, suspended=target.suspended,
            now=self._clock.now(),
        )  # fmt: skip

    def _tracked(self, target: _Target, policy: FakeApplicationAutoscalingPolicy) -> Tracked:
        configuration = policy.target_tracking_scaling_policy_configuration
        metric, seconds = tracked_metric(
            configuration, endpoint_name=target.endpoint_name, variant_name=target.variant.name
        )
        found = target_tracking(configuration, self._clock, seconds)
        periods = Periods.before(
            self._clock.now(), length=found.period_seconds, count=PERIODS_BELOW, seconds=seconds
        )
        return Tracked(
            policy_name=policy.policy_name,
            policy=found,
            datapoints=read_series(metric, periods, self._read),
            ended_at=periods.first + periods.count * periods.length,
        )

    def _stepped(self, policy: FakeApplicationAutoscalingPolicy) -> Iterator[Stepped]:
        """Yield the policy with each alarm that starts it now.

        docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
        """
        now, arn = self._clock.now(), policy.policy_arn
        acting = {breach.alarm_name: breach for breach in self._alarms.acting(arn)}
        for key in [key for key in self._started if key[0] == arn and key[1] not in acting]:
            del self._started[key]
        for name, breach in acting.items():
            started = self._started.get((arn, name))
            if started is not None and now - started < self._clock.real_seconds(AWS_MINUTE_SECONDS):
                continue
            self._started[arn, name] = now
            yield Stepped(
                policy_name=policy.policy_name,
                policy=step_scaling(policy.step_scaling_policy_configuration, self._clock),
                breach=breach,
            )

    def _act(self, target: _Target, history: _History, decision: Decision | None) -> None:
        reason = decision.not_scaled if decision else None
        before = history.not_scaled
        history.not_scaled = (decision.policy_name, reason) if decision and reason else None
        if decision is None:
            return
        if reason is None:
            self._change(target, history, decision)
        elif history.not_scaled != before:
            self._note_not_scaled(target, history.fleet, decision, reason)

    def _change(self, target: _Target, history: _History, decision: Decision) -> None:
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
                {"EndpointName": target.endpoint_name, "DesiredWeightsAndCapacities": [change]},
            )
        except AwsError as error:
            logger.warning("endpoint %s is not scaled: %s", target.endpoint_name, error.message)
            activity.end("Failed", error.message, self._clock.now())
            return
        activity.status = "InProgress"
        history.change = (activity, wanted)
        history.fleet = after(history.fleet, decision, now=self._clock.now())
        logger.info(
            "endpoint %s: %d to %d instances: %s",
            target.endpoint_name, before, wanted, decision.cause,
        )  # fmt: skip

    def _settle(self, history: _History) -> None:
        """End the activity of a change, of an endpoint that is in service again."""
        if history.change is None:
            return
        activity, wanted = history.change
        size, now = history.variant.fleet.size, self._clock.now()
        named = VARIANT.fullmatch(activity.target.resource_id)
        record = endpoint_record(activity.target.scope, named[1]) if named else None
        history.change = None
        if size == wanted:
            done = f"Successfully set desired instance count to {wanted}."
            activity.end("Successful", f"{done} Change successfully fulfilled by sagemaker.", now)
        elif record is not None and record.failure_reason:
            activity.end("Unfulfilled", record.failure_reason, now)
        else:
            activity.end("Overridden", f"The instance count was set to {size} meanwhile.", now)

    def _note_not_scaled(
        self, target: _Target, fleet: Fleet, decision: Decision, reason: str
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
