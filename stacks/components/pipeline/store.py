"""What a pipeline stores: artifacts, reviews, and the logs of its projects."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.shared.bucket_removal import with_removal_policy
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.components.storage.encryption_key import EncryptionKey

REVIEWS_PREFIX = "reviews"
# Names the last commit whose tests passed.
TESTED_KEY = "tested/commit"

_RETENTION = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
_MIN_TLS_VERSION = 1.2
_LOG_RETENTION_DAYS = 90


class PipelineStore(Construct):
    """A key, private buckets that accept only TLS, and a log group.

    Attributes:
        key: encrypts artifacts, reviews, logs and notifications; stages in other accounts may
            decrypt artifacts with it.
        artifacts: what one action of the pipeline passes on to another.
        reviews: what approvers read, and the record of the tested commit.
        log_group: the output of the projects.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.key = EncryptionKey(
            self,
            "EncryptionKey",
            removal_policy=_RETENTION,
            description="Encrypts what the Whippet pipeline stores, logs and sends",
            senders=(),
        ).key
        self._access_logs = with_removal_policy(
            s3.Bucket(
                self,
                "AccessLogs",
                encryption=s3.BucketEncryption.S3_MANAGED,
                lifecycle_rules=[_expire_after(365)],
                block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
                object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
                enforce_ssl=True,
                minimum_tls_version=_MIN_TLS_VERSION,
            ),
            _RETENTION,
        )
        self.artifacts = self._bucket("Artifacts", _expire_after(30))
        self.reviews = self._bucket("Reviews", _expire_after(365, prefix=f"{REVIEWS_PREFIX}/"))
        self.log_group = encrypted_log_group(
            self, "ProjectLogs", key=self.key, retention_days=_LOG_RETENTION_DAYS
        )

    def _bucket(self, construct_id: str, lifecycle_rule: s3.LifecycleRule) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            lifecycle_rules=[lifecycle_rule],
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=_MIN_TLS_VERSION,
            server_access_logs_bucket=self._access_logs,
            server_access_logs_prefix=f"{construct_id.lower()}/",
        )
        return with_removal_policy(bucket, _RETENTION)


def _expire_after(days: int, *, prefix: str | None = None) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        expiration=Duration.days(days),
        prefix=prefix,
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )
