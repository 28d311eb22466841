"""The repository from which the pipeline deploys, and the use of its connection."""

from typing import cast

from aws_cdk import aws_iam as iam
from aws_cdk import pipelines

from stacks.settings.delivery import PipelineSettings

ACTION_NAME = "Repository"


def repository_source(settings: PipelineSettings) -> pipelines.CodePipelineSource:
    """Return the source: a clone with its history, which the step of the tests compares."""
    return pipelines.CodePipelineSource.connection(
        settings.repository,
        settings.branch,
        connection_arn=settings.connection_arn,
        action_name=ACTION_NAME,
        code_build_clone_output=True,
    )


def use_connection(settings: PipelineSettings) -> list[iam.PolicyStatement]:
    """Allow the use of a connection whose ARN begins with codeconnections.

    CDK allows codestar-connections:UseConnection only, and the prefix of the action has to match
    that of the resource (docs.aws.amazon.com/dtconsole/latest/userguide/rename.html).
    """
    prefix = settings.connection_arn.split(":")[2]
    if prefix == "codestar-connections":
        return []
    return [
        iam.PolicyStatement(
            actions=[f"{prefix}:UseConnection"], resources=[settings.connection_arn]
        )
    ]


def source_role(pipeline: pipelines.CodePipeline) -> iam.Role:
    """Return the role of the source action.

    Args:
        pipeline: after its `build_pipeline()`, which creates the role.
    """
    action = pipeline.pipeline.node.find_child("Source").node.find_child(ACTION_NAME)
    return cast("iam.Role", action.node.find_child("CodePipelineActionRole"))
