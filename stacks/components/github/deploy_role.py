"""The role of the workflow that deploys a stage."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.github.trust import environment, trusted_runs
from stacks.components.shared.bootstrap import deploying_role_names
from stacks.names import (
    CHECK_ROLE_PURPOSE,
    COPY_ROLE_PURPOSE,
    delivery_role_name,
)
from stacks.settings.delivery import GithubSettings, deliverer_role_name
from stacks.settings.stage import StageSettings


class DeployRole(Construct):
    """A role for jobs in the environment of a stage, which may only assume other roles."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        github: GithubSettings,
        stage: StageSettings,
        provider_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        names = [
            *deploying_role_names(self, account=stack.account, region=str(stage.region)),
            # Of the stage, each with what its step needs: they trust this role.
            delivery_role_name(stage.name, COPY_ROLE_PURPOSE),
            delivery_role_name(stage.name, CHECK_ROLE_PURPOSE),
        ]
        role = iam.Role(
            self,
            "Role",
            role_name=deliverer_role_name(stage),
            description=f"Deploys the stage {stage.stage} from GitHub Actions",
            assumed_by=trusted_runs(
                github, provider_arn=provider_arn, context=environment(stage.stage)
            ),
            # Longer than an update of the endpoint with its bake time.
            max_session_duration=Duration.hours(2),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sts:AssumeRole"],
                resources=[
                    stack.format_arn(service="iam", region="", resource="role", resource_name=name)
                    for name in names
                ],
            )
        )
