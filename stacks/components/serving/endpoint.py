"""The SageMaker endpoint and its blue/green updates."""

from collections.abc import Sequence

from aws_cdk import CfnTag
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.settings.rollout import Rollout
from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings


class Endpoint(Construct):
    """A SageMaker endpoint with a literal name, updated blue/green and rolled back by alarms.

    Attributes:
        attribute_name: the resource's name attribute: a resource that uses it depends on the
            endpoint. Alarms, policies and the proxy use the literal name instead.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        model: ModelArtifact,
        endpoint_configuration_name: str,
        rollback_alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, construct_id)
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=settings.endpoint_name,
            endpoint_config_name=endpoint_configuration_name,
            deployment_config=_deployment(settings.serving, rollback_alarms),
            # Keeps the instance count that scaling has set; otherwise an update resets it to the
            # initial one. A fixed fleet must take the new configuration's count. The deployment
            # configuration is not retained: the template always has it.
            retain_all_variant_properties=settings.serving.scales,
            # Not DataCaptureConfig, which is not supported: capture is the new configuration's.
            exclude_retained_variant_properties=[
                sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredWeight")
            ]
            if settings.serving.scales
            else None,
            tags=[CfnTag(key="whippet:model-version", value=model.version)],
        )
        self.attribute_name = endpoint.attr_endpoint_name


def update_settings(settings: ServingSettings) -> str:
    """Return the settings of an endpoint's updates that are not in its configuration.

    A change of them must replace the configuration too: SageMaker does not update an endpoint to
    the configuration that it has (docs.aws.amazon.com/sagemaker/latest/APIReference/
    API_UpdateEndpoint.html).
    """
    used: dict[str, object] = {
        "baking_seconds": settings.rollback_baking_seconds,
        "rollback_alarms": settings.rollback_alarms_enabled,
        "scales": settings.scales,
    }
    rollout = settings.rollout_plan
    if rollout.setting is not None:
        used |= {
            "rollout": rollout.kind,
            "step_percent": rollout.step_percent,
            "wait_seconds": rollout.wait_seconds,
        }
    return ",".join(f"{name}={value}" for name, value in used.items())


def _deployment(
    settings: ServingSettings, alarms: Sequence[cloudwatch.IAlarm]
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    endpoint = sagemaker.CfnEndpoint
    rollout = settings.rollout_plan
    return endpoint.DeploymentConfigProperty(
        blue_green_update_policy=endpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=_routing(rollout),
            termination_wait_in_seconds=rollout.baking_seconds,
            maximum_execution_timeout_in_seconds=rollout.timeout_seconds(
                settings.container_startup_timeout_seconds
            ),
        ),
        auto_rollback_configuration=endpoint.AutoRollbackConfigProperty(
            alarms=[endpoint.AlarmProperty(alarm_name=alarm.alarm_name) for alarm in alarms]
        )
        if alarms
        else None,
    )


def _routing(rollout: Rollout) -> sagemaker.CfnEndpoint.TrafficRoutingConfigProperty:
    # In percent, as the number of instances at the time of an update is that of the scaling.
    size = sagemaker.CfnEndpoint.CapacitySizeProperty(
        type="CAPACITY_PERCENT", value=rollout.step_percent
    )
    return sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
        type=rollout.kind.upper(),
        canary_size=size if rollout.kind == "canary" else None,
        linear_step_size=size if rollout.kind == "linear" else None,
        wait_interval_in_seconds=rollout.wait_seconds,
    )
