"""The schedule of the proxy's provisioned concurrency."""

from collections.abc import Sequence

from aws_cdk import aws_applicationautoscaling as autoscaling
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.components.shared.scheduled_action import concurrency_actions
from stacks.settings.api import ConcurrencySchedule


class ProvisionedConcurrencySchedule(Construct):
    """Scheduled actions on an alias's provisioned concurrency.

    A deployment resets it to the stage's own value until the next action. The role is
    Application Auto Scaling's service-linked one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alias: lambda_.Alias,
        provisioned_concurrency: int,
        schedule: Sequence[ConcurrencySchedule],
    ) -> None:
        super().__init__(scope, construct_id)
        function_name = alias.version.lambda_.function_name
        target = autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="lambda",
            scalable_dimension="lambda:function:ProvisionedConcurrency",
            resource_id=f"function:{function_name}:{alias.alias_name}",
            min_capacity=provisioned_concurrency,
            max_capacity=provisioned_concurrency,
            scheduled_actions=concurrency_actions(schedule),
        )
        # Explicit, because the resource id is a string, not a reference.
        target.node.add_dependency(alias)
