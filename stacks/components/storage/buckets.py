"""The S3 buckets of a stage."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.serving.model_lock import SERVED_PREFIX
from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.components.shared.permissions import use_key
from stacks.components.shared.private_buckets import (
    access_log_bucket,
    encrypted_bucket,
    expire_after,
)
from stacks.names import BATCH_INPUT_PREFIX, BATCH_OUTPUT_PREFIX, BATCH_PREFIX, MODEL_PREFIX
from stacks.settings.storage import StorageSettings

CHECKPOINT_PREFIX = "checkpoints"
CANDIDATE_PREFIX = "candidates"
CAPTURE_PREFIX = "endpoint"
# How many days replaced and deleted versions are kept of what nobody has promoted: checkpoints are
# written again and again.
_UNPROMOTED = {MODEL_PREFIX: 1, CHECKPOINT_PREFIX: 1, CANDIDATE_PREFIX: 7}


class Buckets(Construct):
    """Four private buckets that accept only TLS.

    CDK's `auto_delete_objects` is not used: its custom resource needs write access to every
    bucket. `make destroy` empties the buckets of a removable stage instead.

    Attributes:
        access_logs: S3 access logs of the other three buckets.
        datasets: image folders for training; versioned.
        models: output and checkpoints of training jobs, the archives of registered models, and the
            artifacts that locks name; versioned.
        captures: requests and responses sampled by the endpoint, if data capture is on, and those
            of batch jobs.
        read_datasets, read_models, read_training, write_models, keep_checkpoints, write_candidates,
            write_captures, read_batch, write_batch: managed policies for the roles that need them.
            They exist even without a role: this stack is deployed before the stacks of the roles,
            and a policy that is still attached cannot be deleted.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None,
        settings: StorageSettings,
        batch_retention_days: int,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self._removal_policy = removal_policy
        self.access_logs = access_log_bucket(
            self,
            "AccessLogs",
            retention_days=settings.access_log_retention_days,
            removal_policy=removal_policy,
        )
        versions = _expire_versions_after(settings.noncurrent_version_retention_days)
        self.datasets = self._encrypted_bucket("Datasets", [versions], versioned=True)
        self.models = self._encrypted_bucket(
            "Models",
            [
                versions,
                *(
                    _expire_unpromoted(prefix, settings.candidate_retention_days, version_days)
                    for prefix, version_days in _UNPROMOTED.items()
                ),
            ],
            versioned=True,
        )
        self.captures = self._encrypted_bucket(
            "Captures",
            [
                expire_after(settings.capture_retention_days, prefix=f"{CAPTURE_PREFIX}/"),
                expire_after(batch_retention_days, prefix=f"{BATCH_PREFIX}/"),
            ],
        )
        self.read_datasets = self._reading("ReadDatasets", self.datasets)
        self.read_models = self._reading("ReadModels", self.models, SERVED_PREFIX)
        self.write_models = self._writing("WriteModels", self.models, MODEL_PREFIX)
        self.keep_checkpoints = self._keeping_checkpoints()
        self.read_training = self._reading_training()
        # SageMaker may read the archive of a package as its creator.
        self.read_candidates = self._reading("ReadCandidates", self.models, CANDIDATE_PREFIX)
        self.write_candidates = self._writing("WriteCandidates", self.models, CANDIDATE_PREFIX)
        self.write_captures = self._writing("WriteCaptures", self.captures, CAPTURE_PREFIX)
        self.read_batch = self._reading("ReadBatch", self.captures, BATCH_INPUT_PREFIX)
        self.write_batch = self._writing("WriteBatch", self.captures, BATCH_OUTPUT_PREFIX)

    def _reading(
        self, construct_id: str, bucket: s3.Bucket, prefix: str | None = None
    ) -> iam.ManagedPolicy:
        keys = f"{prefix}/*" if prefix else "*"
        objects = f"{bucket.bucket_arn}/{keys}"
        return self._policy(
            construct_id,
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": keys}} if prefix else None,
            ),
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]),
            *use_key(self._key, "kms:Decrypt"),
            objects=objects,
        )

    def _writing(self, construct_id: str, bucket: s3.Bucket, prefix: str) -> iam.ManagedPolicy:
        objects = f"{bucket.bucket_arn}/{prefix}/*"
        return self._policy(
            construct_id,
            iam.PolicyStatement(actions=["s3:PutObject"], resources=[objects]),
            # Decrypt: S3 reads the parts of a multipart upload when it joins them.
            *use_key(self._key, "kms:GenerateDataKey", "kms:Decrypt"),
            objects=objects,
        )

    def _keeping_checkpoints(self) -> iam.ManagedPolicy:
        """SageMaker copies a job's checkpoints out while it runs, and in when it goes on."""
        objects = f"{self.models.bucket_arn}/{CHECKPOINT_PREFIX}/*"
        return self._policy(
            "KeepCheckpoints",
            iam.PolicyStatement(actions=["s3:GetObject", "s3:PutObject"], resources=[objects]),
            _list(self.models, CHECKPOINT_PREFIX),
            objects=objects,
        )

    def _reading_training(self) -> iam.ManagedPolicy:
        """The state machine looks for datasets, and reads what a job has left."""
        read = [
            f"{self.models.bucket_arn}/{prefix}/*" for prefix in (MODEL_PREFIX, CHECKPOINT_PREFIX)
        ]
        policy = self._policy(
            "ReadTraining",
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.datasets.bucket_arn]),
            _list(self.models, CHECKPOINT_PREFIX),
            iam.PolicyStatement(actions=["s3:GetObject"], resources=read),
            *use_key(self._key, "kms:Decrypt"),
            objects=read[0],
        )
        acknowledge_resource(policy, read[1], reason="Any object of the one bucket or prefix")
        return policy

    def _policy(
        self, construct_id: str, *statements: iam.PolicyStatement, objects: str
    ) -> iam.ManagedPolicy:
        policy = iam.ManagedPolicy(self, construct_id, statements=list(statements))
        acknowledge_resource(policy, objects, reason="Any object of the one bucket or prefix")
        return policy

    def _encrypted_bucket(
        self,
        construct_id: str,
        lifecycle_rules: Sequence[s3.LifecycleRule],
        *,
        versioned: bool = False,
    ) -> s3.Bucket:
        return encrypted_bucket(
            self,
            construct_id,
            key=self._key,
            access_logs=self.access_logs,
            lifecycle_rules=lifecycle_rules,
            removal_policy=self._removal_policy,
            versioned=versioned,
        )


def _list(bucket: s3.Bucket, *prefixes: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=["s3:ListBucket"],
        resources=[bucket.bucket_arn],
        # A GetObject of a missing object has no prefix; without this permission, S3 calls it
        # denied.
        conditions={"StringLikeIfExists": {"s3:prefix": [f"{each}/*" for each in prefixes]}},
    )


def _expire_unpromoted(prefix: str, days: int, version_days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        prefix=f"{prefix}/",
        expiration=Duration.days(days),
        noncurrent_version_expiration=Duration.days(version_days),
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )


def _expire_versions_after(days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        noncurrent_version_expiration=Duration.days(days),
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )
