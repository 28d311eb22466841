"""Automatic scaling of the endpoint's instances."""

from aws_cdk import aws_applicationautoscaling as autoscaling
from constructs import Construct

from stacks.components.serving.endpoint_metrics import VARIANT_NAME
from stacks.settings.serving import ServingSettings


class EndpointScaling(Construct):
    """Target tracking on invocations per instance and minute.

    It scales after 3 minutes above the target and 15 minutes below 90 % of it; a cooldown only
    delays the next action. The role is Application Auto Scaling's service-linked one.

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
        )
        autoscaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name="invocations-per-instance-per-minute",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=_target_tracking(settings),
        )


def _target_tracking(
    settings: ServingSettings,
) -> autoscaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty:
    policy = autoscaling.CfnScalingPolicy
    return policy.TargetTrackingScalingPolicyConfigurationProperty(
        target_value=settings.target_invocations_per_instance_per_minute,
        scale_in_cooldown=settings.scale_in_cooldown_seconds,
        scale_out_cooldown=settings.scale_out_cooldown_seconds,
        predefined_metric_specification=policy.PredefinedMetricSpecificationProperty(
            predefined_metric_type="SageMakerVariantInvocationsPerInstance"
        ),
    )
