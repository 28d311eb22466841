"""The buckets of a stage."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.acknowledgement import acknowledge_resource
from stacks.settings import StorageSettings

MODEL_PREFIX = "training"
CAPTURE_PREFIX = "endpoint"

_MINIMUM_TLS_VERSION = 1.2


class Buckets(Construct):
    """Four private buckets that answer over TLS only.

    No bucket empties itself when it is deleted: that takes a custom resource with write access
    to everything; `make destroy` empties the buckets of a removable stage first.

    Attributes:
        access_logs: who read or wrote the other three.
        datasets: image folders for training.
        models: what training jobs write; versioned.
        captures: requests and answers that the endpoint samples, where that is on.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        settings: StorageSettings,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self._removal_policy = removal_policy
        # S3 can deliver access logs only to a bucket with its own encryption (SSE-S3).
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            lifecycle_rules=[_expire_after(settings.access_log_retention_days)],
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=_MINIMUM_TLS_VERSION,
            removal_policy=removal_policy,
        )
        self.datasets = self._encrypted_bucket("Datasets", lifecycle_rule=_abort_uploads())
        self.models = self._encrypted_bucket(
            "Models",
            versioned=True,
            lifecycle_rule=s3.LifecycleRule(
                noncurrent_version_expiration=Duration.days(
                    settings.noncurrent_version_retention_days
                ),
                abort_incomplete_multipart_upload_after=Duration.days(7),
            ),
        )
        self.captures = self._encrypted_bucket(
            "Captures", lifecycle_rule=_expire_after(settings.capture_retention_days)
        )

    def allow_reading_datasets(self, role: iam.Role) -> None:
        """Let a role list and read every dataset."""
        bucket = self.datasets.bucket_arn
        self._allow(
            role,
            "ReadDatasets",
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket]),
            objects=f"{bucket}/*",
            action="s3:GetObject",
            key_actions=["kms:Decrypt"],
        )

    def allow_writing_models(self, role: iam.Role) -> None:
        """Let a role write what a training job makes."""
        self._allow_writing(role, "WriteModels", f"{self.models.bucket_arn}/{MODEL_PREFIX}/*")

    def allow_writing_captures(self, role: iam.Role) -> None:
        """Let a role write the endpoint's sampled requests and answers."""
        self._allow_writing(role, "WriteCaptures", f"{self.captures.bucket_arn}/{CAPTURE_PREFIX}/*")

    def _allow_writing(self, role: iam.Role, construct_id: str, objects: str) -> None:
        # Decrypt too: the parts of a large upload are read back when they are joined.
        key_actions = ["kms:GenerateDataKey", "kms:Decrypt"]
        self._allow(
            role, construct_id, objects=objects, action="s3:PutObject", key_actions=key_actions
        )

    def _allow(
        self,
        role: iam.Role,
        construct_id: str,
        *statements: iam.PolicyStatement,
        objects: str,
        action: str,
        key_actions: list[str],
    ) -> None:
        # Here and not in the role's stack, so that a grant is read beside what it opens.
        policy = iam.ManagedPolicy(
            self,
            construct_id,
            statements=[
                *statements,
                iam.PolicyStatement(actions=[action], resources=[objects]),
                iam.PolicyStatement(actions=key_actions, resources=[self._key.key_arn]),
            ],
        )
        acknowledge_resource(policy, objects, reason="Any object of the one bucket or prefix")
        role.add_managed_policy(policy)

    def _encrypted_bucket(
        self, construct_id: str, *, lifecycle_rule: s3.LifecycleRule, versioned: bool = False
    ) -> s3.Bucket:
        return s3.Bucket(
            self,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            versioned=versioned,
            lifecycle_rules=[lifecycle_rule],
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=_MINIMUM_TLS_VERSION,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix=f"{construct_id.lower()}/",
            removal_policy=self._removal_policy,
        )


def _abort_uploads() -> s3.LifecycleRule:
    return s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7))


def _expire_after(days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        expiration=Duration.days(days),
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )
