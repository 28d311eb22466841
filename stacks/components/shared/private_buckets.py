"""Private buckets that accept only TLS."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.shared.bucket_removal import with_removal_policy

_MIN_TLS_VERSION = 1.2


def access_log_bucket(
    scope: Construct, construct_id: str, *, retention_days: int, removal_policy: RemovalPolicy
) -> s3.Bucket:
    """Create a bucket for access logs, with S3's own encryption: S3 delivers them to no other.

    Args:
        scope: the construct's parent.
        construct_id: the construct's id.
        retention_days: how long the logs are kept.
        removal_policy: of the bucket.
    """
    return _private_bucket(
        scope,
        construct_id,
        removal_policy,
        encryption=s3.BucketEncryption.S3_MANAGED,
        lifecycle_rules=[expire_after(retention_days)],
    )


def encrypted_bucket(
    scope: Construct,
    construct_id: str,
    *,
    key: kms.IKey | None,
    access_logs: s3.IBucket,
    lifecycle_rules: Sequence[s3.LifecycleRule],
    removal_policy: RemovalPolicy,
    versioned: bool = False,
    access_logs_prefix: str | None = None,
    cors: Sequence[s3.CorsRule] | None = None,
) -> s3.Bucket:
    """Create a bucket that is encrypted with a key of ours, or with S3's own.

    Args:
        scope: the construct's parent.
        construct_id: the construct's id.
        key: encrypts the objects; None: S3 does, with keys of its own (SSE-S3).
        access_logs: receives the access logs.
        lifecycle_rules: how long objects are kept.
        removal_policy: of the bucket.
        versioned: whether replaced and deleted objects are kept as versions.
        access_logs_prefix: begins the keys of its access logs; None: the construct's id.
        cors: which pages of other origins may use the bucket; None: none may.
    """
    return _private_bucket(
        scope,
        construct_id,
        removal_policy,
        encryption=s3.BucketEncryption.S3_MANAGED if key is None else s3.BucketEncryption.KMS,
        encryption_key=key,
        bucket_key_enabled=None if key is None else True,
        versioned=versioned,
        lifecycle_rules=lifecycle_rules,
        server_access_logs_bucket=access_logs,
        server_access_logs_prefix=access_logs_prefix or f"{construct_id.lower()}/",
        cors=cors,
    )


def expire_after(days: int, *, prefix: str | None = None) -> s3.LifecycleRule:
    """Return a rule that deletes objects, and what uploads that were never completed have left.

    Args:
        days: age of an object.
        prefix: of the keys; None: all objects.
    """
    return s3.LifecycleRule(
        expiration=Duration.days(days),
        prefix=prefix,
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )


def _private_bucket(
    scope: Construct, construct_id: str, removal_policy: RemovalPolicy, **options: Any
) -> s3.Bucket:
    bucket = s3.Bucket(
        scope,
        construct_id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=_MIN_TLS_VERSION,
        **options,
    )
    return with_removal_policy(bucket, removal_policy)
