"""The stateful resources: the KMS key, the buckets, the model registry."""

from aws_cdk import CfnOutput
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.components.delivery.copy_model_role import CopyModelRole
from stacks.components.delivery.model_readers import allow_reading_models
from stacks.components.delivery.read_templates_role import ReadTemplatesRole
from stacks.components.storage.buckets import Buckets
from stacks.components.storage.encryption_key import EncryptionKey
from stacks.components.storage.uploads_bucket import UploadsBucket
from stacks.inputs import Inputs
from stacks.names import MODEL_PACKAGE_GROUP_ID, MODELS_BUCKET_OUTPUT
from stacks.settings.stage import StageSettings
from stacks.stage_stack import StageStack, removal_policy


class StorageStack(StageStack):
    """The resources that are kept when the other stacks of the stage are deleted.

    Attributes:
        key: encrypts buckets, log groups and topics; None: `encryption = "aws"`.
        buckets: datasets, models, captures and access logs.
        uploads: images that callers upload; None: `api.uploads_enabled = false`.
        model_package_group: the registry of trained models.
    """

    def __init__(self, scope: Construct, *, settings: StageSettings, inputs: Inputs) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="storage",
            description="Whippet: key, buckets and model registry",
        )
        policy = removal_policy(settings)
        self.key = (
            EncryptionKey(self, "EncryptionKey", removal_policy=policy).key
            if settings.encryption == "kms"
            else None
        )
        self.buckets = Buckets(
            self,
            "Buckets",
            key=self.key,
            settings=settings.storage,
            batch_retention_days=settings.batch.retention_days,
            removal_policy=policy,
        )
        self.uploads = (
            UploadsBucket(
                self,
                "Uploads",
                key=self.key,
                access_logs=self.buckets.access_logs,
                origins=settings.upload_origins,
                removal_policy=policy,
            )
            if settings.api.uploads_enabled
            else None
        )
        for role_arn in settings.storage.model_readers:
            allow_reading_models(self, role_arn, self.buckets.models, self.key)
        deliverer, lock = inputs.delivery.deliverer_role(settings), inputs.model.lock
        if deliverer is not None and lock is not None:
            CopyModelRole(
                self,
                "CopyModel",
                stage_name=settings.name,
                deliverer=deliverer,
                lock=lock,
                bucket=self.buckets.models,
                key=self.key,
            )
        if deliverer is not None and settings.delivery == "pipeline":
            ReadTemplatesRole(self, "ReadTemplates", stage_name=settings.name, deliverer=deliverer)
        CfnOutput(self, MODELS_BUCKET_OUTPUT, value=self.buckets.models.bucket_name)
        self.model_package_group = sagemaker.CfnModelPackageGroup(
            self,
            MODEL_PACKAGE_GROUP_ID,  # without a parent, the construct's id is the logical id
            model_package_group_name=settings.name,
            model_package_group_description=f"Image classifiers of the stage {settings.stage}",
        )
        self.model_package_group.apply_removal_policy(policy)
