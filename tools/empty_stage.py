"""Deletes the data that CloudFormation refuses to delete with a stack."""

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

_BUCKET = "AWS::S3::Bucket"
_MODEL_PACKAGE_GROUP = "AWS::SageMaker::ModelPackageGroup"


def empty_stage(session: boto3.session.Session, stack: str) -> list[str]:
    """Empty the buckets and the model package groups of a stack.

    Args:
        session: of the account and region that hold the stack.
        stack: name of the storage stack; nothing is done where it does not exist.

    Returns:
        The names of what was emptied.
    """
    emptied = []
    for kind, name in _resources(session.client("cloudformation"), stack):
        if kind == _BUCKET:
            session.resource("s3").Bucket(name).object_versions.delete()
            emptied.append(name)
        elif kind == _MODEL_PACKAGE_GROUP:
            group = name.rpartition("/")[2]
            _delete_packages(session.client("sagemaker"), group)
            emptied.append(group)
    return emptied


def _resources(cloudformation: Any, stack: str) -> Iterator[tuple[str, str]]:
    try:
        described = cloudformation.describe_stack_resources(StackName=stack)
    except ClientError as error:
        if "does not exist" in str(error):
            return
        raise
    for resource in described["StackResources"]:
        if "PhysicalResourceId" in resource:
            yield resource["ResourceType"], resource["PhysicalResourceId"]


def _delete_packages(sagemaker: Any, group: str) -> None:
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    for page in pages:
        for package in page["ModelPackageSummaryList"]:
            sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
