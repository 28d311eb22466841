"""The schedule of the serverless containers that are kept warm."""

from aws_cdk import aws_applicationautoscaling as autoscaling
from constructs import Construct

from stacks.components.serving.endpoint_metrics import VARIANT_NAME
from stacks.components.shared.scheduled_action import concurrency_actions
from stacks.settings.serving import ServingSettings


class ServerlessConcurrencySchedule(Construct):
    """Scheduled actions on the provisioned concurrency of a serverless variant.

    A deployment that replaces the endpoint's configuration resets it to the stage's own value
    until the next action. The role is Application Auto Scaling's service-linked one.

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
        autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            # docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-autoscale.html
            scalable_dimension="sagemaker:variant:DesiredProvisionedConcurrency",
            resource_id=f"endpoint/{endpoint_attribute_name}/variant/{VARIANT_NAME}",
            min_capacity=settings.serverless_provisioned_concurrency,
            max_capacity=settings.serverless_provisioned_concurrency,
            scheduled_actions=concurrency_actions(
                settings.serverless_provisioned_concurrency_schedule
            ),
        )
