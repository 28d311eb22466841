"""What all CodeBuild projects of the pipeline have in common."""

from typing import Any

from aws_cdk import Duration, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.components.shared import permissions

# Runtimes of the image, see runtimes.yml of al/x86_64/standard/6.0 in
# github.com/aws/aws-codebuild-docker-images. jsii needs Node 22 or later.
_RUNTIMES = {"nodejs": "24", "python": "3.13"}
_TIMEOUT_MINUTES = 30
# cdk-assets 4.7.3 refuses the schema version that aws-cdk-lib writes, although it reads what is in
# these manifests. To be deleted with the first cdk-assets that takes version 55.
_READABLE_MANIFESTS = (
    "find . -name '*.assets.json' "
    """-exec sed -i 's/"version": "55\\.0\\.0"/"version": "54.0.0"/' {} +"""
)

# The tools of this repository; and with them the command line of CDK.
INSTALL_TOOLS = "make .venv"
INSTALL_TOOLS_AND_CDK = "make .venv node_modules/.package-lock.json"


def project_defaults(log_group: logs.LogGroup) -> pipelines.CodeBuildOptions:
    """Return the options of every project, also of those that CDK Pipelines adds.

    Args:
        log_group: receives the output.
    """
    return pipelines.CodeBuildOptions(
        build_environment=codebuild.BuildEnvironment(
            build_image=codebuild.LinuxBuildImage.AMAZON_LINUX_2023_6
        ),
        partial_build_spec=codebuild.BuildSpec.from_object(
            {"version": "0.2", "phases": {"install": {"runtime-versions": _RUNTIMES}}}
        ),
        timeout=Duration.minutes(_TIMEOUT_MINUTES),
        logging=codebuild.LoggingOptions(
            cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)
        ),
    )


def publishing_defaults() -> pipelines.CodeBuildOptions:
    """Return what the projects that publish assets have in addition."""
    return pipelines.CodeBuildOptions(
        partial_build_spec=codebuild.BuildSpec.from_object(
            {"version": "0.2", "phases": {"pre_build": {"commands": [_READABLE_MANIFESTS]}}}
        )
    )


def project_role(
    scope: Construct, construct_id: str, *, description: str, name: str | None = None
) -> iam.Role:
    """Create the role of a project; CDK adds what each project needs.

    Args:
        scope: the role's parent.
        construct_id: the role's id.
        description: what its projects do.
        name: for a role that other accounts trust by its name; None: CloudFormation chooses.
    """
    return iam.Role(
        scope,
        construct_id,
        role_name=name,
        description=description,
        assumed_by=permissions.service_of_this_account("codebuild.amazonaws.com", scope),
    )


def project_step(
    name: str, command: str, *, role: iam.Role, install: str = INSTALL_TOOLS, **options: Any
) -> pipelines.CodeBuildStep:
    """Return a step that runs one command of this repository.

    Args:
        name: the action's name.
        command: the command.
        role: the project's role.
        install: the command that installs what the other needs.
        options: other options of CodeBuildStep.
    """
    return pipelines.CodeBuildStep(
        name, role=role, install_commands=[install], commands=[command], **options
    )
