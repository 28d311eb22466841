"""The role that brings the artifact of a stage's lock into the stage's bucket of models."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.delivery.deliverer import delivery_policy
from stacks.components.serving.model_lock import SERVED_PREFIX, ModelLock
from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.components.shared.permissions import use_key
from stacks.names import COPY_ROLE_PURPOSE


class CopyModelRole(Construct):
    """A role that reads the lock's source and writes below `serving/`; it can delete nothing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage_name: str,
        deliverer: tuple[str, str],
        lock: ModelLock,
        bucket: s3.IBucket,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        partition = Stack.of(self).partition
        source = f"arn:{partition}:s3:::{lock.source_bucket}"
        served = f"{bucket.bucket_arn}/{SERVED_PREFIX}/*"
        stack = Stack.of(self).format_arn(
            service="cloudformation",
            resource="stack",
            resource_name=f"{Stack.of(self).stack_name}/*",
        )
        keys = f"arn:{partition}:kms:*:*:key/*"
        policy = delivery_policy(
            self,
            stage_name=stage_name,
            purpose=COPY_ROLE_PURPOSE,
            deliverer=deliverer,
            description=f"Copies the model that the lock of {stage_name} names",
            statements=[
                iam.PolicyStatement(
                    actions=["s3:GetObject"], resources=[f"{source}/{lock.source_key}"]
                ),
                # The source's key is in no file of the repository; data keys of another bucket
                # have another encryption context.
                iam.PolicyStatement(
                    actions=["kms:Decrypt"],
                    resources=[keys],
                    conditions={"StringEquals": {"kms:EncryptionContext:aws:s3:arn": source}},
                ),
                iam.PolicyStatement(actions=["s3:GetObject", "s3:PutObject"], resources=[served]),
                # Without it S3 says 403 instead of 404 of what is not there yet.
                iam.PolicyStatement(
                    actions=["s3:ListBucket"],
                    resources=[bucket.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": f"{SERVED_PREFIX}/*"}},
                ),
                *use_key(key, "kms:GenerateDataKey", "kms:Decrypt"),
                iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[stack]),
            ],
        )
        acknowledge_resource(policy, served, reason="Any artifact that a lock of this stage names")
        acknowledge_resource(policy, stack, reason="One stack, whatever its generated id")
        acknowledge_resource(
            policy,
            keys,
            reason="The key of the source bucket, which is in another stage or account; the "
            "condition limits it to data keys of that one bucket",
        )
