"""The account's permission for API Gateway to write logs: one an account and region."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.shared.acknowledgement import acknowledge, as_reported


class ApiAccountLogging(Construct):
    """The logging role without which no stage with access logs can be deployed.

    Both resources stay when the stack goes: other APIs of the account may rely on them.

    Attributes:
        account: what a stage with logs must wait for.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        # No account in the trust: only sagemaker, states and codebuild are known to send it.
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
            reason="The account's singleton serves every API in it; API Gateway checks the role "
            "against just these permissions",
        )
        self.account = apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        self.account.apply_removal_policy(RemovalPolicy.RETAIN)
