"""The bucket to which callers upload images."""

from collections.abc import Sequence
from typing import Final

from aws_cdk import CfnOutput, Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.components.shared.permissions import use_key
from stacks.components.shared.private_buckets import encrypted_bucket

_KEYS: Final = "uploads/*"
_RETENTION: Final = Duration.days(1)  # the shortest that S3 has


class UploadsBucket(Construct):
    """A private bucket, of which the proxy signs addresses for one image each.

    The proxy deletes an image after its use; S3 deletes in a day what nobody has classified.
    Without versions, so that a deleted image is gone.

    Attributes:
        bucket: the bucket.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None,
        access_logs: s3.IBucket,
        origins: Sequence[str],
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.bucket = encrypted_bucket(
            self,
            "Bucket",
            key=key,
            access_logs=access_logs,
            access_logs_prefix="uploads/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=_RETENTION, abort_incomplete_multipart_upload_after=_RETENTION
                )
            ],
            removal_policy=removal_policy,
            cors=[_put_from(origins)] if origins else None,
        )
        output = CfnOutput(self, "Arn", value=self.bucket.bucket_arn)
        output.override_logical_id("UploadsBucketArn")
        # A reference to the bucket would get its final form after the findings were acknowledged.
        self._arn = Fn.get_stack_output(Stack.of(self).stack_name, output.logical_id)

    def grant_single_use(self, role: iam.Role) -> None:
        """Allow signing, reading and deleting uploads; not listing them."""
        objects = f"{self._arn}/{_KEYS}"
        statements = [
            iam.PolicyStatement(
                actions=["s3:PutObject", "s3:GetObject", "s3:DeleteObject"], resources=[objects]
            ),
            *use_key(self._key, "kms:GenerateDataKey", "kms:Decrypt"),
        ]
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge_resource(
            role, objects, reason="Any upload of the one bucket: their keys are random"
        )


def _put_from(origins: Sequence[str]) -> s3.CorsRule:
    return s3.CorsRule(
        allowed_methods=[s3.HttpMethods.PUT],
        allowed_origins=list(origins),
        allowed_headers=["content-type"],
        max_age=3600,
    )
