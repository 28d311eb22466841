"""The role that checks what a stage serves after its deployment."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.delivery.deliverer import delivery_policy
from stacks.names import (
    CHECK_ROLE_PURPOSE,
    CHECKED_PARAMETERS,
    parameter_path,
)


class CheckDeploymentRole(Construct):
    """A role that reads one API key, invokes the proxy and describes the endpoint."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage_name: str,
        deliverer: tuple[str, str],
        api_key_arn: str,
        proxy_alias_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        parameters = [
            stack.format_arn(
                service="ssm",
                resource="parameter",
                resource_name=f"{parameter_path(stage_name)}/{name}".removeprefix("/"),
            )
            for name in CHECKED_PARAMETERS
        ]
        delivery_policy(
            self,
            stage_name=stage_name,
            purpose=CHECK_ROLE_PURPOSE,
            deliverer=deliverer,
            description=f"Checks the deployment of {stage_name}",
            statements=[
                iam.PolicyStatement(actions=["apigateway:GET"], resources=[api_key_arn]),
                iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[proxy_alias_arn]),
                iam.PolicyStatement(
                    actions=["sagemaker:DescribeEndpoint"],
                    resources=[
                        stack.format_arn(
                            service="sagemaker", resource="endpoint", resource_name=stage_name
                        )
                    ],
                ),
                iam.PolicyStatement(actions=["ssm:GetParameter"], resources=parameters),
            ],
        )
