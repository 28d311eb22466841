"""The workflow that trains and registers models, its roles and its topic."""

import tempfile
from pathlib import Path

from aws_cdk import CfnOutput, DefaultStackSynthesizer, Token
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk.region_info import Fact, FactName
from constructs import Construct

from stacks.components.ec2_trainer.trainer import Ec2Trainer
from stacks.components.network.placement import Placement
from stacks.components.notebook.notebook import Notebook
from stacks.components.serving.serving_image import ServingImage
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.components.shared.execution_role import ExecutionRole
from stacks.components.training.container import IMAGE_REPOSITORY, training_image
from stacks.components.training.job import JobDefinition
from stacks.components.training.model_packages import ModelPackages
from stacks.components.training.notification_topic import NotificationTopic
from stacks.components.training.source import pack_training_source, wheels_prefix
from stacks.components.training.source_address import source_address
from stacks.components.training.workflow import TrainingWorkflow
from stacks.components.training.workflow_role import WorkflowRole
from stacks.errors import SettingsError
from stacks.inputs import Inputs
from stacks.names import (
    EC2_LAUNCH_TEMPLATE_OUTPUT,
    EC2_LOG_GROUP_OUTPUT,
    training_asset_prefix,
)
from stacks.settings.stage import StageSettings
from stacks.stage_stack import StageStack
from stacks.storage_stack import StorageStack


class TrainingStack(StageStack):
    """A state machine that trains and registers a model; it costs nothing while it is idle.

    Attributes:
        state_machine: takes the input that docs/training.md describes.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        storage: StorageStack,
        placement: Placement | None,
        inputs: Inputs,
    ) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="training",
            description="Whippet: workflow that trains a model",
            # The role of jobs may read the S3 keys with this prefix: the stage's source archives.
            synthesizer=DefaultStackSynthesizer(
                bucket_prefix=f"{training_asset_prefix(settings.name)}/"
            ),
        )
        training, key = settings.training, storage.key
        source = self._source(inputs.model_code_directory)
        image_account = self._image_account()
        execution_role = self._role(settings, storage, source, image_account)
        if placement is not None:
            placement.allow_sagemaker(execution_role.policy)
        role = execution_role.role
        topic = NotificationTopic(self, "Topic", key=key, email=training.notification_email).topic
        serving_image = ServingImage(
            self,
            "ServingImage",
            settings=settings.serving,
            model_code_directory=inputs.model_code_directory,
        )
        packages = ModelPackages(
            self,
            "Packages",
            group_name=settings.name,
            image_repository_arn=serving_image.repository_arn,
        )
        definition = JobDefinition(
            settings=settings,
            image=training_image(image_account, training.instance_type),
            role=role,
            buckets=storage.buckets,
            key=key,
            source=source_address(source, network_isolation=training.network_isolation),
            wheels_prefix=wheels_prefix(inputs.model_code_directory, training.packages),
            placement=placement,
        )
        workflow = TrainingWorkflow(
            self,
            "Workflow",
            definition=definition,
            serving_image_uri=serving_image.uri,
            role=WorkflowRole(
                self,
                "WorkflowRole",
                stage_name=settings.name,
                training_role=role,
                buckets=storage.buckets,
                packages=packages,
                topic=topic,
                key=key,
            ).role,
            topic=topic,
            log_group=encrypted_log_group(
                self, "Logs", key=key, retention_days=settings.log_retention_days
            ),
        )
        self.state_machine = workflow.state_machine
        outputs = {
            "StateMachineArn": workflow.state_machine.state_machine_arn,
            "DatasetsBucket": storage.buckets.datasets.bucket_name,
            "TopicArn": topic.topic_arn,
            "ApproverPolicyArn": packages.approver_policy.managed_policy_arn,
            # For jobs that other programs start: examples/.
            "JobImage": definition.image,
            "JobRoleArn": role.role_arn,
            "JobSource": source.s3_object_url,
        }
        if definition.wheels_prefix is not None:
            outputs["JobWheels"] = definition.wheels_prefix
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
        if settings.ec2_trainer.enabled:
            trainer = Ec2Trainer(
                self,
                "Ec2Trainer",
                settings=settings,
                buckets=storage.buckets,
                key=key,
                source=source,
                packages=packages,
                serving_image_uri=serving_image.uri,
            )
            CfnOutput(self, EC2_LAUNCH_TEMPLATE_OUTPUT, value=trainer.launch_template.ref)
            CfnOutput(self, EC2_LOG_GROUP_OUTPUT, value=trainer.log_group.log_group_name)
        if settings.notebook.enabled:
            Notebook(
                self,
                "Notebook",
                settings=settings,
                buckets=storage.buckets,
                key=key,
                state_machine=workflow.state_machine,
            )

    def _source(self, directory: Path) -> s3_assets.Asset:
        # Not a folder asset: that would be a .zip, which the training image cannot unpack.
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "source.tar.gz")
            archive.write_bytes(pack_training_source(directory))
            # CDK copies it into the cloud assembly immediately.
            return s3_assets.Asset(self, "Source", path=str(archive))

    def _role(
        self,
        settings: StageSettings,
        storage: StorageStack,
        source: s3_assets.Asset,
        image_account: str,
    ) -> ExecutionRole:
        repository_arn = self.format_arn(
            service="ecr",
            account=image_account,
            resource="repository",
            resource_name=IMAGE_REPOSITORY,
        )
        role = ExecutionRole(
            self,
            "ExecutionRole",
            description="Execution role of training jobs",
            asset_bucket_arn=source.bucket.bucket_arn,
            # All of the prefix: a tuning job that runs during a deployment starts others later.
            asset_keys=f"{training_asset_prefix(settings.name)}/*.gz",
            asset_key_arn=settings.asset_key_arn,
            repository_arn=repository_arn,
            log_group_name="/aws/sagemaker/TrainingJobs",
            volume_key=storage.key,
        )
        role.role.add_managed_policy(storage.buckets.read_datasets)
        role.role.add_managed_policy(storage.buckets.write_models)
        role.role.add_managed_policy(storage.buckets.keep_checkpoints)
        return role

    def _image_account(self) -> str:
        """Return the account of AWS's training images, which depends on the region.

        If the stage sets no region, the template looks it up in a mapping.

        Raises:
            SettingsError: AWS publishes no such images in the stage's region.
        """
        fact = FactName.DLC_REPOSITORY_ACCOUNT
        if not Token.is_unresolved(self.region) and Fact.find(self.region, fact) is None:
            regions = sorted(region for region in Fact.regions if Fact.find(region, fact))
            raise SettingsError(
                f"region = {self.region!r}: AWS publishes no training images there; "
                f"expected one of {', '.join(regions)}"
            )
        return self.regional_fact(fact)
