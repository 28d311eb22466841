"""The steps of the pipeline before, in and after the deployment of a stage."""

from typing import Any

from aws_cdk import Stack, pipelines
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.pipeline.projects import INSTALL_TOOLS_AND_CDK, project_role, project_step
from stacks.components.pipeline.shared_steps import SharedSteps
from stacks.components.pipeline.source import use_connection
from stacks.components.pipeline.store import REVIEWS_PREFIX, PipelineStore
from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.names import (
    CHECK_ROLE_PURPOSE,
    COPY_ROLE_PURPOSE,
    READ_ROLE_PURPOSE,
    delivery_role_name,
)
from stacks.settings.delivery import PipelineSettings, deliverer_role_name
from stacks.settings.stage import StageSettings

_EXECUTION = "#{codepipeline.PipelineExecutionId}"
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


class StageSteps(Construct):
    """The steps of one stage and their role, which that stage's roles trust by its name.

    Attributes:
        before: the review and its approval, in front of the first stack; may be empty.
        copy_model: runs before the endpoint's stack.
        check_deployment: runs after the last stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline: PipelineSettings,
        settings: StageSettings,
        shared: SharedSteps,
        store: PipelineStore,
        approval: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._shared = shared
        self._role = project_role(
            self,
            "Role",
            name=deliverer_role_name(settings),
            description=f"Copies the model of {settings.name} and checks its deployment",
        )
        purposes = [COPY_ROLE_PURPOSE, CHECK_ROLE_PURPOSE]
        if approval:
            purposes.append(READ_ROLE_PURPOSE)
        for statement in (
            *use_connection(pipeline),
            iam.PolicyStatement(
                actions=["sts:AssumeRole"],
                resources=[self._role_arn(purpose) for purpose in purposes],
            ),
        ):
            self._role.add_to_policy(statement)
        self.before = self._review_and_approval(store) if approval else []
        self.copy_model = self._step("CopyModel", "copy_model", COPY_ROLE_PURPOSE)
        self.check_deployment = self._step(
            "CheckDeployment", "check_deployment", CHECK_ROLE_PURPOSE
        )

    def _review_and_approval(self, store: PipelineStore) -> list[pipelines.Step]:
        stage = self._settings.stage
        objects = store.reviews.arn_for_objects(f"{REVIEWS_PREFIX}/*/{stage}/*")
        self._role.add_to_policy(iam.PolicyStatement(actions=["s3:PutObject"], resources=[objects]))
        acknowledge_resource(
            self._role, objects, reason="The reviews of this stage, one for each execution"
        )
        review = self._step(
            "Review",
            "review",
            READ_ROLE_PURPOSE,
            f'--to "s3://$REVIEWS_BUCKET/{REVIEWS_PREFIX}/$EXECUTION_ID/{stage}"',
            install=INSTALL_TOOLS_AND_CDK,
            additional_inputs={"cdk.out": self._shared.synth},
            env={"REVIEWS_BUCKET": store.reviews.bucket_name, "EXECUTION_ID": _EXECUTION},
        )
        stack = Stack.of(self)
        console = f"{stack.region}.{_CONSOLES.get(stack.partition, _CONSOLES['aws'])}"
        approve = pipelines.ManualApprovalStep(
            "Approve",
            comment=f"Deploy {self._settings.name}? The link has the changes of its templates and "
            "the findings of cdk-nag.",
            review_url=f"https://{console}/s3/buckets/{store.reviews.bucket_name}"
            f"?region={stack.region}&prefix={REVIEWS_PREFIX}/{_EXECUTION}/{stage}/",
        )
        approve.add_step_dependency(review)
        return [review, approve]

    def _step(
        self, name: str, tool: str, purpose: str, *arguments: str, **options: Any
    ) -> pipelines.CodeBuildStep:
        """Return a step that runs a tool, which assumes a role of the stage."""
        command = (
            f".venv/bin/python -m tools.delivery.{tool} --stage {self._settings.stage}",
            f"--role-arn {self._role_arn(purpose)}",
            *arguments,
        )
        return project_step(
            name, " ".join(command), role=self._role, input=self._shared.source, **options
        )

    def _role_arn(self, purpose: str) -> str:
        partition = Stack.of(self).partition
        name = delivery_role_name(self._settings.name, purpose)
        return f"arn:{partition}:iam::{self._settings.account}:role/{name}"
