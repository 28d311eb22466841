"""Automatic scaling of the endpoint's instances."""

from aws_cdk import aws_applicationautoscaling as autoscaling
from constructs import Construct

from stacks.components.serving.endpoint_metrics import VARIANT_NAME
from stacks.components.shared.scheduled_action import scheduled_action
from stacks.settings.serving import ServingSettings

_Policy = autoscaling.CfnScalingPolicy
_NAMES = {
    "invocations": "invocations-per-instance-per-minute",
    "concurrent_requests": "concurrent-requests-per-instance",
}
# docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-code-define.html
_METRICS = {
    "invocations": "SageMakerVariantInvocationsPerInstance",
    "concurrent_requests": "SageMakerVariantConcurrentRequestsPerModelHighResolution",
}


class EndpointScaling(Construct):
    """Target tracking, and a schedule of the bounds where the stage has one.

    It scales out after 3 datapoints above the target, and in after 15 minutes below 90 % of it; a
    cooldown only delays the next action. Invocations have one datapoint a minute, concurrent
    requests six. The role is Application Auto Scaling's service-linked one.

    `endpoint_attribute_name` is the endpoint's name attribute, not the literal name: the
    endpoint must be in service before its variant can be registered.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: ServingSettings,
        endpoint_attribute_name: str,
    ) -> None:
        super().__init__(scope, construct_id)
        target = autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{endpoint_attribute_name}/variant/{VARIANT_NAME}",
            min_capacity=settings.min_instance_count,
            max_capacity=settings.max_instance_count,
            scheduled_actions=_scheduled_actions(settings) or None,
        )
        _Policy(
            self,
            "Policy",
            policy_name=_NAMES[settings.scaling_target],
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=_target_tracking(settings),
        )


def _scheduled_actions(
    settings: ServingSettings,
) -> list[autoscaling.CfnScalableTarget.ScheduledActionProperty]:
    return [
        scheduled_action(
            f"capacity-{index}",
            entry,
            minimum=entry.min_instance_count,
            maximum=entry.max_instance_count,
        )
        for index, entry in enumerate(settings.capacity_schedule, start=1)
    ]


def _target_tracking(
    settings: ServingSettings,
) -> _Policy.TargetTrackingScalingPolicyConfigurationProperty:
    return _Policy.TargetTrackingScalingPolicyConfigurationProperty(
        target_value=settings.scaling_target_value,
        scale_in_cooldown=settings.scale_in_cooldown_seconds,
        scale_out_cooldown=settings.scale_out_cooldown_seconds,
        predefined_metric_specification=_Policy.PredefinedMetricSpecificationProperty(
            predefined_metric_type=_METRICS[settings.scaling_target]
        ),
    )
