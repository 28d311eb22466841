"""Batch jobs: they classify many images with the stage's model, without its endpoint."""

from aws_cdk import CfnOutput, DefaultStackSynthesizer
from constructs import Construct

from stacks.components.batch.batch import JOB_LOG_GROUP, Batch
from stacks.components.network.placement import Placement
from stacks.components.serving.artifact_url import artifact_url
from stacks.components.serving.model_server import model_server_environment
from stacks.components.serving.serving_image import ServingImage
from stacks.components.shared.bootstrap import asset_bucket_arn
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.components.shared.execution_role import ExecutionRole
from stacks.inputs import Inputs
from stacks.names import BATCH_BUCKET_OUTPUT, BATCH_STATE_MACHINE_OUTPUT
from stacks.serving_stack import ServingStack
from stacks.settings.stage import StageSettings
from stacks.stage_stack import StageStack
from stacks.storage_stack import StorageStack


class BatchStack(StageStack):
    """A state machine that runs batch transform jobs; it costs nothing while it is idle.

    It is deployed after the endpoint: a model that CloudFormation could not deploy does not get
    here. One that an alarm rolled back does, as CloudFormation then reports success.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        storage: StorageStack,
        serving: ServingStack,
        placement: Placement | None,
        inputs: Inputs,
    ) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="batch",
            description="Whippet: jobs that classify many images",
            # That of the serving stack, so that a model is uploaded once.
            synthesizer=DefaultStackSynthesizer(bucket_prefix=f"{settings.name}/"),
        )
        self.add_stack_dependency(serving)
        image = ServingImage(
            self,
            "Image",
            settings=settings.serving,
            model_code_directory=inputs.model_code_directory,
        )
        role = ExecutionRole(
            self,
            "ExecutionRole",
            description="Execution role of batch jobs",
            # Of a model without a lock.
            asset_bucket_arn=asset_bucket_arn(self),
            asset_keys=f"{settings.name}/*.gz",
            asset_key_arn=settings.asset_key_arn,
            repository_arn=image.repository_arn,
            log_group_name=JOB_LOG_GROUP,
            volume_key=storage.key,
        )
        role.role.add_managed_policy(storage.buckets.read_models)
        if placement is not None:
            placement.allow_sagemaker(role.policy)
        batch = Batch(
            self,
            "Batch",
            settings=settings,
            model=inputs.model,
            artifact_url=artifact_url(
                self, "ModelArtifact", model=inputs.model, buckets=storage.buckets
            ),
            image_uri=image.uri,
            environment=model_server_environment(settings, inputs.model),
            execution_role=role,
            placement=placement,
            buckets=storage.buckets,
            key=storage.key,
            log_group=encrypted_log_group(
                self, "Logs", key=storage.key, retention_days=settings.log_retention_days
            ),
        )
        CfnOutput(self, BATCH_STATE_MACHINE_OUTPUT, value=batch.state_machine.state_machine_arn)
        CfnOutput(self, BATCH_BUCKET_OUTPUT, value=storage.buckets.captures.bucket_name)
