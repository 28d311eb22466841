"""What a pipeline stores: artifacts, reviews, and the logs of its projects."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.components.shared.private_buckets import (
    access_log_bucket,
    encrypted_bucket,
    expire_after,
)
from stacks.components.storage.encryption_key import EncryptionKey

REVIEWS_PREFIX = "reviews"
# Names the last commit whose tests passed.
TESTED_KEY = "tested/commit"

_RETENTION = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
_ACCESS_LOG_RETENTION_DAYS = 365
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
        self._access_logs = access_log_bucket(
            self,
            "AccessLogs",
            retention_days=_ACCESS_LOG_RETENTION_DAYS,
            removal_policy=_RETENTION,
        )
        self.artifacts = self._bucket("Artifacts", expire_after(30))
        self.reviews = self._bucket("Reviews", expire_after(365, prefix=f"{REVIEWS_PREFIX}/"))
        self.log_group = encrypted_log_group(
            self, "ProjectLogs", key=self.key, retention_days=_LOG_RETENTION_DAYS
        )

    def _bucket(self, construct_id: str, lifecycle_rule: s3.LifecycleRule) -> s3.Bucket:
        return encrypted_bucket(
            self,
            construct_id,
            key=self.key,
            access_logs=self._access_logs,
            lifecycle_rules=[lifecycle_rule],
            removal_policy=_RETENTION,
        )
