"""Deletes the data that prevents CloudFormation from deleting a stack."""

import json
from collections.abc import Collection, Sequence
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tools.aws import stack_resources
from tools.console import ToolError

_BUCKET = "AWS::S3::Bucket"
_MODEL_PACKAGE_GROUP = "AWS::SageMaker::ModelPackageGroup"
_NO_MORE_WRITES = "NoMoreWrites"


def empty_stage(
    session: boto3.session.Session, region: str, stack: str, *, kept: Collection[str] = ()
) -> list[str]:
    """Empty the buckets and the model package groups of a stage.

    Args:
        session: with credentials for the stack's account.
        region: the stack's region.
        stack: name of the stack; nothing is done if it does not exist.
        kept: names of buckets that are left as they are.

    Returns:
        The names of the emptied buckets and groups.

    Raises:
        ToolError: an object could not be deleted.
    """
    cloudformation = session.client("cloudformation", region_name=region)
    resources = list(stack_resources(cloudformation, stack))
    buckets = [name for kind, name in resources if kind == _BUCKET and name not in kept]
    groups = [name.rpartition("/")[2] for kind, name in resources if kind == _MODEL_PACKAGE_GROUP]
    for group in groups:
        _delete_packages(session.client("sagemaker", region_name=region), group)
    s3 = session.client("s3", region_name=region)
    partition = session.get_partition_for_region(region)
    empty_buckets(s3, buckets, partition)
    return [*buckets, *groups]


def empty_buckets(s3: Any, buckets: Sequence[str], partition: str) -> None:
    """Delete all versions of all objects of buckets, which from then on refuse writes.

    Args:
        s3: boto3 client.
        buckets: their names.
        partition: of the buckets' ARNs, such as aws.

    Raises:
        ToolError: an object could not be deleted.
    """
    for bucket in buckets:
        # Otherwise the deletions below would be logged to a bucket that is already empty, and
        # CloudFront would deliver logs for another day.
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
        _refuse_writes(s3, bucket, f"arn:{partition}:s3:::{bucket}/*")
    for bucket in buckets:
        _empty_bucket(s3, bucket)


def _refuse_writes(s3: Any, bucket: str, objects: str) -> None:
    policy: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
    others = [each for each in policy["Statement"] if each.get("Sid") != _NO_MORE_WRITES]
    refusal = {
        "Sid": _NO_MORE_WRITES,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": objects,
    }
    policy["Statement"] = [*others, refusal]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def _empty_bucket(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not found:
            continue
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        response = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        for fault in response.get("Errors", []):
            raise ToolError(f"{bucket}/{fault['Key']} cannot be deleted: {fault['Message']}")


def _delete_packages(sagemaker: Any, group: str) -> None:
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    for page in pages:
        for package in page["ModelPackageSummaryList"]:
            sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
