"""The role of the workflow that compares a pull request with what is deployed."""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.github.trust import PULL_REQUEST, trusted_runs
from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.components.shared.bootstrap import version_parameter
from stacks.names import PULL_REQUEST_ROLE
from stacks.settings.delivery import GithubSettings
from stacks.settings.stage import StageSettings


class PullRequestRole(Construct):
    """A role that may read the templates and descriptions of the stages' stacks.

    A pull request's own code runs with it. CDK's lookup role would let that code read the whole
    account, API keys included.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        github: GithubSettings,
        stages: Sequence[StageSettings],
        provider_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        stacks = [
            stack.format_arn(
                service="cloudformation",
                region=str(stage.region),
                resource="stack",
                resource_name=f"{stage.name}-*/*",
            )
            for stage in stages
        ]
        role = iam.Role(
            self,
            "Role",
            role_name=PULL_REQUEST_ROLE,
            description="Compares pull requests on GitHub with the deployed templates",
            assumed_by=trusted_runs(github, provider_arn=provider_arn, context=PULL_REQUEST),
            max_session_duration=Duration.hours(1),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudformation:DescribeStacks", "cloudformation:GetTemplate"],
                resources=stacks,
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ssm:GetParameter"],
                resources=[
                    stack.format_arn(
                        service="ssm",
                        region=region,
                        resource="parameter",
                        resource_name=version_parameter(self).removeprefix("/"),
                    )
                    for region in sorted({str(stage.region) for stage in stages})
                ],
            )
        )
        for arn in stacks:
            acknowledge_resource(
                role,
                arn,
                reason="The stacks of one stage; CloudFormation adds a random id to a stack's ARN",
            )
