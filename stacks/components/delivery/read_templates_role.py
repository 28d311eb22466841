"""The role that reads a stage's deployed templates, for the review before its deployment."""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.delivery.deliverer import delivery_policy
from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.names import READ_ROLE_PURPOSE


class ReadTemplatesRole(Construct):
    """A role that reads the templates of one stage; CDK's lookup role could read API keys."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage_name: str, deliverer: tuple[str, str]
    ) -> None:
        super().__init__(scope, construct_id)
        stacks = Stack.of(self).format_arn(
            service="cloudformation",
            resource="stack",
            resource_name=f"{stage_name}-*/*",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        policy = delivery_policy(
            self,
            stage_name=stage_name,
            purpose=READ_ROLE_PURPOSE,
            deliverer=deliverer,
            description=f"Reads the templates of {stage_name}",
            statements=[
                iam.PolicyStatement(actions=["cloudformation:GetTemplate"], resources=[stacks])
            ],
        )
        acknowledge_resource(policy, stacks, reason="Every stack of this stage, which has several")
