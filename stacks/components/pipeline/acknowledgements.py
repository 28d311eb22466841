"""cdk-nag's findings about the permissions that CDK Pipelines grants."""

from aws_cdk import Stack, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from stacks.components.pipeline.source import source_role
from stacks.components.pipeline.store import PipelineStore
from stacks.components.shared.acknowledgement import acknowledge, acknowledge_resource

_READ = ("s3:GetBucket*", "s3:GetObject*", "s3:List*")
_WRITE = ("s3:Abort*", "s3:DeleteObject*")
_ENCRYPT = ("kms:GenerateDataKey*", "kms:ReEncrypt*")


def acknowledge_grants(pipeline: pipelines.CodePipeline, store: PipelineStore) -> None:
    """Acknowledge what CDK grants to the roles of the pipeline, its actions and its projects.

    Args:
        pipeline: after its `build_pipeline()`, which creates the roles.
        store: has the bucket of artifacts.
    """
    found = pipeline.node.find_all()
    projects = [each for each in found if isinstance(each, codebuild.Project)]
    source, synth = source_role(pipeline), pipeline.synth_project.role
    assets = pipeline.node.find_child("Assets")
    for role in _roles([pipeline.pipeline.role, source, *(each.role for each in projects)]):
        writes = role.node.path in {pipeline.pipeline.role.node.path, *_paths(source, synth)}
        encrypts = not role.node.path.startswith(f"{assets.node.path}/")
        _acknowledge_artifacts(role, store, writes=writes, encrypts=encrypts)
    for project in projects:
        if not project.node.path.startswith(f"{assets.node.path}/"):
            _acknowledge_project(project)
    _acknowledge_assets(assets)
    _acknowledge_update(pipeline.self_mutation_project)
    for support in pipeline.pipeline.cross_region_support.values():
        _acknowledge_region(pipeline.pipeline.role, support.replication_bucket.bucket_arn)
        acknowledge(
            support.stack,
            "S1",
            reason="Copies of artifacts for another region, made by CDK; access to the originals "
            "is logged, and the copies are encrypted and private",
        )


def _roles(roles: list[iam.IRole | None]) -> list[iam.IRole]:
    """Return each role once: the steps of a stage share one."""
    return list({role.node.path: role for role in roles if role is not None}.values())


def _paths(*roles: iam.IRole | None) -> set[str]:
    return {role.node.path for role in roles if role is not None}


def _acknowledge_artifacts(
    role: IConstruct, store: PipelineStore, *, writes: bool, encrypts: bool
) -> None:
    actions = [*_READ, *(_WRITE if writes else ()), *(_ENCRYPT if encrypts else ())]
    for action in actions:
        acknowledge(
            role,
            f"IAM5[Action::{action}]",
            reason="CDK's grant on the one bucket of artifacts and its key",
        )
    acknowledge_resource(
        role,
        store.artifacts.arn_for_objects("*"),
        reason="Artifacts, which CodePipeline names for each execution",
    )


def _acknowledge_project(project: codebuild.Project) -> None:
    if project.role is None:
        return
    logs, reports = _project_arns(project)
    acknowledge_resource(
        project.role,
        f"{logs}{project.project_name}:*",
        reason="CDK's grant on the log streams of this project, which CodeBuild names",
    )
    acknowledge_resource(
        project.role,
        f"{reports}{project.project_name}-*",
        reason="CDK's grant on the report groups of this project, which the build names",
    )


def _project_arns(scope: IConstruct) -> tuple[str, str]:
    """Return how the ARNs of the projects' default log groups and report groups begin."""
    stack = Stack.of(scope)
    account = f"{stack.region}:{stack.account}"
    return (
        f"arn:{stack.partition}:logs:{account}:log-group:/aws/codebuild/",
        f"arn:{stack.partition}:codebuild:{account}:report-group/",
    )


def _acknowledge_assets(assets: IConstruct) -> None:
    for arn in _project_arns(assets):
        acknowledge_resource(
            assets, f"{arn}*", reason="CDK's one role of all projects that publish assets of a kind"
        )
    acknowledge(
        assets,
        "IAM5[Resource::*]",
        reason="CDK's grant to every role that publishes assets; it is limited to builds",
    )


def _acknowledge_update(project: codebuild.IProject) -> None:
    role, stack = project.role, Stack.of(project)
    if role is None:
        return
    acknowledge_resource(
        role,
        f"arn:*:iam::{stack.account}:role/*",
        reason="CDK's bootstrap roles of this account alone: a condition on their tag limits it",
    )
    acknowledge(
        role,
        "IAM5[Resource::*]",
        reason="CDK reads the version of the bootstrap stack and finds its bucket",
    )


def _acknowledge_region(role: IConstruct, bucket_arn: str) -> None:
    acknowledge_resource(
        role, f"{bucket_arn}/*", reason="Artifacts, which CodePipeline names for each execution"
    )
    acknowledge(
        role,
        "IAM5[Resource::*]",
        reason="The key of the other region's bucket, whose ARN is not known before its stack is "
        "deployed; CDK limits the grant to the actions of encryption",
    )
