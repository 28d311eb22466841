"""The state machine that trains a model and registers it if it is good enough."""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.components.training.check_states import check_states
from stacks.components.training.gate_states import gate_states
from stacks.components.training.job import JobDefinition
from stacks.components.training.job_states import job_states
from stacks.components.training.registration_states import registration_states
from stacks.components.training.report_states import REPORT_SUCCESS, report_states


class TrainingWorkflow(Construct):
    """A state machine: check, train or tune, judge, register, report.

    Attributes:
        state_machine: takes the input that docs/training.md describes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        definition: JobDefinition,
        serving_image_uri: str,
        role: iam.IRole,
        topic: sns.ITopic,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        states = _definition(definition, serving_image_uri, topic)
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            definition_body=sfn.DefinitionBody.from_string(Stack.of(self).to_json_string(states)),
            role=role,
            logs=sfn.LogOptions(
                destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True
            ),
            tracing_enabled=True,
        )


def _definition(job: JobDefinition, image_uri: str, topic: sns.ITopic) -> dict[str, Any]:
    settings, buckets = job.settings, job.buckets
    models_bucket = buckets.models.bucket_name
    return {
        "Comment": "Trains a model on a dataset and registers it if it is good enough",
        "QueryLanguage": "JSONata",
        "StartAt": "CheckInput",
        "States": {
            **check_states(
                datasets_bucket=buckets.datasets.bucket_name,
                models_bucket=models_bucket,
                wheels_prefix=job.wheels_prefix,
                then="ChooseJob",
            ),
            **job_states(job, then="IsAccuracyThere"),
            **gate_states(
                training=settings.training,
                models_bucket=models_bucket,
                package_group=settings.name,
                then="KeepArchive",
            ),
            **registration_states(
                models_bucket=models_bucket,
                package_group=settings.name,
                image_uri=image_uri,
                then=REPORT_SUCCESS,
            ),
            **report_states(
                stage=settings.stage, stage_name=settings.name, topic_arn=topic.topic_arn
            ),
        },
    }
