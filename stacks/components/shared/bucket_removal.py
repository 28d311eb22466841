"""The removal of a bucket's policy."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_s3 as s3


def with_removal_policy(bucket: s3.Bucket, removal_policy: RemovalPolicy) -> s3.Bucket:
    """Return a bucket that is removed or retained together with its bucket policy.

    CDK applies a bucket's `removal_policy` to the bucket only: a retained bucket would lose the
    policy that refuses requests without TLS.

    Args:
        bucket: a bucket with `enforce_ssl`, which has a policy.
        removal_policy: what happens to both.
    """
    bucket.apply_removal_policy(removal_policy)
    if bucket.policy is None:
        raise ValueError(f"{bucket.node.path} has no policy: it accepts requests without TLS")
    bucket.policy.apply_removal_policy(removal_policy)
    return bucket
