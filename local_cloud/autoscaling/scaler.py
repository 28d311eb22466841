"""Scales the variants of endpoints by their target tracking policies."""

import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from moto.applicationautoscaling.models import (
    FakeApplicationAutoscalingPolicy,
    applicationautoscaling_backends,
)

from local_cloud.autoscaling.policy import (
    PERIODS_BELOW,
    Bounds,
    Decision,
    Fleet,
    TargetTracking,
    track,
)
from local_cloud.autoscaling.resources import VARIANT
from local_cloud.clock import Clock
from local_cloud.cloudwatch.queries import Metric, Periods, Read, read_series
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting.hosting import HostedVariant
from local_cloud.sagemaker.moto_backend import Scope, endpoint_record

logger = logging.getLogger(__name__)

_NAMESPACE: Final = "AWS/SageMaker"
# The metric, its statistic and its period by the name of a predefined metric.
# docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-code-define.html
_PREDEFINED: Final = {
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", "Sum", 60.0),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "ConcurrentRequestsPerModel", "Maximum", 10.0,
    ),
}  # fmt: skip
_DEFAULT_COOLDOWN_SECONDS: Final = 300


@dataclass(frozen=True)
class _Target:
    """A policy and the variant that it scales."""

    scope: Scope
    endpoint_name: str
    variant: HostedVariant
    policy: FakeApplicationAutoscalingPolicy
    bounds: Bounds


@dataclass
class _History:
    """When a fleet changed, and which deployment it was of."""

    fleet: Fleet
    variant: HostedVariant
    activities: list[dict[str, Any]] = field(default_factory=list)


class Scaler:
    """Applies the scaling policies of all endpoints whenever it is told to.

    Args:
        endpoints: their variants are scaled.
        read: returns a metric's statistic.
        clock: the time.
    """

    def __init__(self, endpoints: Endpoints, read: Read, clock: Clock) -> None:
        self._endpoints, self._read, self._clock = endpoints, read, clock
        self._histories: dict[tuple[Scope, str, str], _History] = {}

    def tick(self) -> None:
        """Evaluate every policy once and start the changes that they decide."""
        for target in self._targets():
            history = self._observe(target)
            record = endpoint_record(target.scope, target.endpoint_name)
            if record is None or record.endpoint_status != "InService":
                continue
            decision = self._decide(target, history.fleet)
            if decision is not None:
                self._change(target, history, decision)

    def activities(self, scope: Scope, resource_id: str | None) -> list[dict[str, Any]]:
        """Return DescribeScalingActivities' list, the newest first."""
        found = [
            activity
            for (of, _, _), history in self._histories.items()
            for activity in history.activities
            if of == scope and resource_id in {None, activity["ResourceId"]}
        ]
        return sorted(found, key=lambda activity: activity["StartTime"], reverse=True)

    def _targets(self) -> Iterator[_Target]:
        for scope in {scope for scope, _ in self._endpoints.deployments()}:
            backend = applicationautoscaling_backends[scope.account_id][scope.region]
            for policy in list(backend.policies.values()):
                named = VARIANT.fullmatch(policy.resource_id)
                targets = backend.targets.get(policy.scalable_dimension, {})
                target = targets.get(policy.resource_id)
                if not named or target is None:
                    continue
                try:
                    variant = self._endpoints.deployment(scope, named[1]).choose(named[2])
                except AwsError:
                    continue
                bounds = Bounds(int(target.min_capacity), int(target.max_capacity))
                yield _Target(scope, named[1], variant, policy, bounds)

    def _observe(self, target: _Target) -> _History:
        """Note a capacity that something else has changed, such as a deployment."""
        key = (target.scope, target.endpoint_name, target.variant.name)
        size = target.variant.fleet.size
        history = self._histories.get(key)
        if history is None:
            history = _History(Fleet(capacity=size, changed_at=self._clock.now()), target.variant)
            self._histories[key] = history
        elif history.variant is not target.variant or history.fleet.capacity != size:
            history.variant = target.variant
            history.fleet = replace(history.fleet, capacity=size, changed_at=self._clock.now())
        return history

    def _decide(self, target: _Target, fleet: Fleet) -> Decision | None:
        configuration = target.policy.target_tracking_scaling_policy_configuration
        if not configuration:
            return None
        metric, period_seconds = _metric(configuration, target)
        policy = TargetTracking(
            target=float(configuration["TargetValue"]),
            scale_out_cooldown_seconds=self._cooldown(configuration, "ScaleOutCooldown"),
            scale_in_cooldown_seconds=self._cooldown(configuration, "ScaleInCooldown"),
            period_seconds=self._clock.real_seconds(period_seconds),
            can_scale_in=not configuration.get("DisableScaleIn", False),
        )
        periods = Periods.before(
            self._clock.now(), length=policy.period_seconds, count=PERIODS_BELOW,
            seconds=period_seconds,
        )  # fmt: skip
        return track(
            read_series(metric, periods, self._read), policy, fleet, target.bounds,
            ended_at=periods.first + periods.count * periods.length, now=self._clock.now(),
        )  # fmt: skip

    def _cooldown(self, configuration: Mapping[str, Any], name: str) -> float:
        seconds = float(configuration.get(name, _DEFAULT_COOLDOWN_SECONDS))
        return self._clock.real_seconds(seconds)

    def _change(self, target: _Target, history: _History, decision: Decision) -> None:
        before, now = history.fleet.capacity, self._clock.now()
        wanted = {"VariantName": target.variant.name, "DesiredInstanceCount": decision.capacity}
        try:
            self._endpoints.resize(
                target.scope,
                {"EndpointName": target.endpoint_name, "DesiredWeightsAndCapacities": [wanted]},
            )
        except AwsError as error:
            logger.warning("endpoint %s is not scaled: %s", target.endpoint_name, error.message)
            return
        if decision.capacity > before:
            history.fleet = replace(history.fleet, scaled_out_at=now)
        else:
            history.fleet = replace(history.fleet, scaled_in_at=now)
        history.activities.append(_activity(target, decision, before, now))
        logger.info(
            "endpoint %s: %d to %d instances: %s",
            target.endpoint_name, before, decision.capacity, decision.cause,
        )  # fmt: skip


def _metric(configuration: Mapping[str, Any], target: _Target) -> tuple[Metric, float]:
    """Return a policy's metric and its period in AWS's seconds."""
    by_variant = {"EndpointName": target.endpoint_name, "VariantName": target.variant.name}
    predefined = configuration.get("PredefinedMetricSpecification")
    if predefined:
        name, statistic, period = _PREDEFINED[predefined["PredefinedMetricType"]]
        metric = Metric(namespace=_NAMESPACE, name=name, dimensions=by_variant, statistic=statistic)
        return metric, period
    custom = configuration["CustomizedMetricSpecification"]
    return (
        Metric(
            namespace=custom["Namespace"],
            name=custom["MetricName"],
            dimensions={each["Name"]: each["Value"] for each in custom.get("Dimensions", [])},
            statistic=custom["Statistic"],
            unit=custom.get("Unit"),
        ),
        60.0,
    )


def _activity(target: _Target, decision: Decision, before: int, now: float) -> dict[str, Any]:
    return {
        "ActivityId": str(uuid.uuid4()),
        "ServiceNamespace": "sagemaker",
        "ResourceId": target.policy.resource_id,
        "ScalableDimension": target.policy.scalable_dimension,
        "Description": f"Setting desired instance count to {decision.capacity}.",
        "Cause": f"policy {target.policy.policy_name}: {decision.cause}, "
        f"from {before} to {decision.capacity} instances",
        "StartTime": now,
        "EndTime": now,
        "StatusCode": "Successful",
        "StatusMessage": f"Successfully set desired instance count to {decision.capacity}.",
    }
