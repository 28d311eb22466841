"""Lets the role of another stage copy artifacts from this stage's bucket of models."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.delivery.deliverer import role_of_another_account
from stacks.components.serving.model_lock import SERVED_PREFIX


def allow_reading_models(
    scope: Construct, role_arn: str, bucket: s3.IBucket, key: kms.IKey | None
) -> None:
    """Allow one role to read what was promoted, in the policies of the bucket and of its key.

    Args:
        scope: any construct of the stack.
        role_arn: ARN of the role, which need not exist yet.
        bucket: the bucket of models.
        key: the key of the bucket, if it has one of its own.
    """
    _, _, _, _, account, role = role_arn.split(":", 5)
    principal = role_of_another_account(scope, account, role.removeprefix("role/"))
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[principal],
            actions=["s3:GetObject"],
            resources=[bucket.arn_for_objects(f"{SERVED_PREFIX}/*")],
        )
    )
    if key is None:
        return
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[principal],
            actions=["kms:Decrypt"],
            resources=["*"],  # in a key's policy: this key
        )
    )
