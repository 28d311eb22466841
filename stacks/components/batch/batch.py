"""Classifies many images with the stage's model, without its endpoint."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, CfnTag, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.components.batch.batch_role import batch_role
from stacks.components.batch.transform_request import transform_request
from stacks.components.network.placement import Placement
from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.shared.execution_role import ExecutionRole
from stacks.components.shared.job_retries import JOB_RETRIES
from stacks.components.storage.buckets import Buckets
from stacks.settings.batch import BatchSettings
from stacks.settings.stage import StageSettings

JOB_LOG_GROUP = "/aws/sagemaker/TransformJobs"
_BYTES_OF_MB = 1024 * 1024
# The longest that the server allows: no proxy waits.
_DEADLINE_MS = 60_000


class Batch(Construct):
    """A Model of its own with a role of its own, and a state machine that runs a transform job.

    Not the endpoint's Model, whose role would read and write what batch jobs do.

    Attributes:
        state_machine: takes `{"run": <name>, "attempt": <number>}`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        model: ModelArtifact,
        artifact_url: str,
        image_uri: str,
        environment: Mapping[str, str],
        execution_role: ExecutionRole,
        placement: Placement | None,
        buckets: Buckets,
        key: kms.IKey | None,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        execution_role.role.add_managed_policy(buckets.read_batch)
        execution_role.role.add_managed_policy(buckets.write_batch)
        cfn_model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=execution_role.role.role_arn,
            enable_network_isolation=True,
            vpc_config=None if placement is None else placement.of_model,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image_uri,
                model_data_url=artifact_url,
                environment={**environment, **_environment(settings.batch)},
            ),
            tags=[CfnTag(key="whippet:model-sha256", value=model.sha256)],
        )
        cfn_model.node.add_dependency(execution_role.policy)
        request = transform_request(
            settings, model_name=cfn_model.attr_model_name, buckets=buckets, key=key
        )
        definition = _definition(request, settings.batch.max_runtime_seconds)
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            definition_body=sfn.DefinitionBody.from_string(
                Stack.of(self).to_json_string(definition)
            ),
            role=batch_role(self, "Role", stage_name=settings.name),
            logs=sfn.LogOptions(
                destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True
            ),
            tracing_enabled=True,
        )


def _environment(batch: BatchSettings) -> dict[str, str]:
    """Return what differs from the endpoint's container.

    No image may get a 503 because others wait: it would fail the job.
    """
    return {
        "WHIPPET_DEADLINE_MS": str(_DEADLINE_MS),
        "WHIPPET_QUEUE_LENGTH": str(batch.max_concurrent_transforms),
        "WHIPPET_MAX_BODY_BYTES": str(batch.max_payload_mb * _BYTES_OF_MB),
    }


def _definition(request: dict[str, Any], max_runtime_seconds: int) -> dict[str, Any]:
    return {
        "Comment": "Classifies the images of a manifest",
        "QueryLanguage": "JSONata",
        # If it passes, Step Functions stops the job.
        "TimeoutSeconds": max_runtime_seconds,
        "StartAt": "Transform",
        "States": {
            "Transform": {
                "Type": "Task",
                "Resource": f"arn:{Aws.PARTITION}:states:::sagemaker:createTransformJob.sync",
                "Arguments": request,
                "Output": {"job": "{% $states.result.TransformJobName %}"},
                "Retry": JOB_RETRIES,
                "End": True,
            }
        },
    }
