"""The steps of the pipeline that belong to no stage: synthesis and tests."""

from aws_cdk import Duration
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.pipeline.projects import (
    INSTALL_TOOLS_AND_CDK,
    project_role,
    project_step,
)
from stacks.components.pipeline.source import repository_source, use_connection
from stacks.components.pipeline.store import TESTED_KEY, PipelineStore
from stacks.settings.delivery import PipelineSettings

_TESTS_TIMEOUT_MINUTES = 120


class SharedSteps(Construct):
    """The source and the steps that run once in an execution.

    Attributes:
        source: the repository.
        synth: writes the cloud assembly from the stages' locks.
        tests: runs `make test`, unless only locks changed since the tests passed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: PipelineSettings,
        store: PipelineStore,
    ) -> None:
        super().__init__(scope, construct_id)
        connection = use_connection(settings)
        self.source = repository_source(settings)
        self.synth = project_step(
            "Synthesize",
            "make synth-pipeline",
            role=project_role(self, "SynthRole", description="Synthesizes the pipeline"),
            install=INSTALL_TOOLS_AND_CDK,
            input=self.source,
            primary_output_directory="cdk.out",
            role_policy_statements=connection,
            build_environment=codebuild.BuildEnvironment(compute_type=codebuild.ComputeType.MEDIUM),
        )
        self.tests = project_step(
            "Test",
            ".venv/bin/python -m tools.delivery.changed "
            f'--record "s3://$REVIEWS_BUCKET/{TESTED_KEY}" -- make test',
            role=project_role(self, "TestRole", description="Tests what the pipeline deploys"),
            input=self.source,
            env={"REVIEWS_BUCKET": store.reviews.bucket_name},
            role_policy_statements=[*connection, *_keep_record(store)],
            build_environment=codebuild.BuildEnvironment(compute_type=codebuild.ComputeType.LARGE),
            timeout=Duration.minutes(_TESTS_TIMEOUT_MINUTES),
        )


def _keep_record(store: PipelineStore) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            actions=["s3:GetObject", "s3:PutObject"],
            resources=[store.reviews.arn_for_objects(TESTED_KEY)],
        ),
        # Without it S3 says 403 instead of 404 before the first record.
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[store.reviews.bucket_arn],
            conditions={"StringEquals": {"s3:prefix": TESTED_KEY}},
        ),
    ]
