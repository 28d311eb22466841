"""Reads scaling policies as PutScalingPolicy describes them."""

import math
from collections.abc import Mapping
from typing import Any, Final

from local_cloud.autoscaling.policy import TargetTracking
from local_cloud.autoscaling.steps import Step, StepScaling, problem_of_steps
from local_cloud.clock import Clock
from local_cloud.cloudwatch.queries import Metric
from local_cloud.sagemaker.errors import validation_error

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


def target_tracking(
    configuration: Mapping[str, Any], clock: Clock, period_seconds: float
) -> TargetTracking:
    """Return a target tracking policy in real seconds.

    Args:
        configuration: PutScalingPolicy's `TargetTrackingScalingPolicyConfiguration`.
        clock: the time.
        period_seconds: of the metric, in AWS's time.
    """
    return TargetTracking(
        target=float(configuration["TargetValue"]),
        scale_out_cooldown_seconds=_cooldown(configuration, "ScaleOutCooldown", clock),
        scale_in_cooldown_seconds=_cooldown(configuration, "ScaleInCooldown", clock),
        period_seconds=clock.real_seconds(period_seconds),
        minute_seconds=clock.minute_seconds,
        can_scale_in=not configuration.get("DisableScaleIn", False),
    )


def tracked_metric(
    configuration: Mapping[str, Any], *, endpoint_name: str, variant_name: str
) -> tuple[Metric, float]:
    """Return the metric of a target tracking policy and its period in AWS's seconds."""
    by_variant = {"EndpointName": endpoint_name, "VariantName": variant_name}
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


def step_scaling(configuration: Mapping[str, Any], clock: Clock) -> StepScaling:
    """Return a step scaling policy in real seconds.

    Args:
        configuration: PutScalingPolicy's `StepScalingPolicyConfiguration`.
        clock: the time.

    Raises:
        AwsError: the intervals of the steps break AWS's rules.
    """
    steps = [
        Step(
            lower=_bound(step, "MetricIntervalLowerBound", -math.inf),
            upper=_bound(step, "MetricIntervalUpperBound", math.inf),
            adjustment=int(step["ScalingAdjustment"]),
        )
        for step in configuration.get("StepAdjustments") or []
    ]
    kind = configuration.get("AdjustmentType")
    problem = problem_of_steps(steps)
    if kind is None:
        problem = "AdjustmentType is missing"
    elif kind == "ExactCapacity" and any(step.adjustment < 0 for step in steps):
        problem = "an exact capacity is negative"
    if problem is not None or kind is None:
        raise validation_error(f"The step scaling policy is not valid: {problem}.")
    return StepScaling(
        adjustment_type=kind,
        steps=steps,
        min_adjustment_magnitude=int(configuration.get("MinAdjustmentMagnitude") or 0),
        cooldown_seconds=_cooldown(configuration, "Cooldown", clock),
        aggregation=configuration.get("MetricAggregationType") or "Average",
    )


def _bound(step: Mapping[str, Any], name: str, default: float) -> float:
    value = step.get(name)
    return default if value is None else float(value)


def _cooldown(configuration: Mapping[str, Any], name: str, clock: Clock) -> float:
    seconds = configuration.get(name)
    return clock.real_seconds(float(_DEFAULT_COOLDOWN_SECONDS if seconds is None else seconds))
