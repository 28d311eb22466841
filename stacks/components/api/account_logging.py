"""The role that lets API Gateway write logs: one for each account and region."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.shared.acknowledgement import acknowledge, as_reported


class ApiAccountLogging(Construct):
    """API Gateway's logging role in this account and region; API stages with logs need it.

    Both resources are retained when the stack is deleted: other APIs of the account may use them.

    Attributes:
        account: the account setting; API stages with logs must depend on it.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        # No aws:SourceAccount condition: only sagemaker, states and codebuild are known to send it.
        policy = iam.ManagedPolicy.from_aws_managed_policy_name(
            "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
        )
        role = iam.Role(
            self,
            "Role",
            description="Lets API Gateway write the logs of every API of this account and region",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[policy],
        )
        role.apply_removal_policy(RemovalPolicy.RETAIN)
        acknowledge(
            role,
            f"IAM4[Policy::{as_reported(role, policy.managed_policy_arn)}]",
            reason="One role serves every API of the account, and API Gateway checks that the role "
            "has exactly these permissions",
        )
        self.account = apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        self.account.apply_removal_policy(RemovalPolicy.RETAIN)
