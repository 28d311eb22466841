"""What remains after a stage was destroyed: what it costs, and how to delete it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.deployment.log_groups import JOB_LOG_GROUPS
from tools.deployment.model_packages import delete_commands

MODEL_PACKAGE_GROUP = "AWS::SageMaker::ModelPackageGroup"
# What needs no line of its own: the account's setting that names the role of API Gateway's logs,
# and the policies of buckets, which are deleted with them.
_UNLISTED = {"AWS::ApiGateway::Account", "AWS::S3::BucketPolicy"}
_LOGGING_ROLE = "AWS::IAM::Role"


@dataclass(frozen=True)
class Leftover:
    """A resource that CloudFormation retained when it deleted the stack."""

    type: str
    physical_id: str


def retained_resources(cloudformation: Any, stack_id: str) -> list[Leftover]:
    """Return the resources that were retained when a stack was deleted.

    Args:
        cloudformation: boto3 client.
        stack_id: id of the deleted stack.
    """
    found = []
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    for event in (event for page in pages for event in page["StackEvents"]):
        status, resource = event["ResourceStatus"], event.get("PhysicalResourceId")
        if resource == stack_id and status == "DELETE_IN_PROGRESS":
            break  # the newest come first: older ones are of replaced resources
        if status == "DELETE_SKIPPED":
            found.append(Leftover(event["ResourceType"], resource))
    return found[::-1]


def describe_leftovers(leftovers: Iterable[Leftover], region: str) -> list[str]:
    """Return one line for each resource: what it is, what it costs, how to delete it.

    Args:
        leftovers: what remains.
        region: the stage's region.
    """
    return [_line(each, region) for each in leftovers if each.type not in _UNLISTED]


def describe_shared(account: str, region: str) -> list[str]:
    """Return lines for what every stage of the account and region shares, and no stack deletes.

    Args:
        account: id of the account.
        region: the stage's region.
    """
    assets = (
        "bootstrap's bucket and repository: billed for the uploaded models and images. To delete "
        f"those that no stack uses: npx --no-install cdk gc aws://{account}/{region} --unstable=gc"
    )
    logs = (
        f"log group {name}: the logs of every {kind} job, until its retention"
        for kind, name in JOB_LOG_GROUPS.items()
    )
    return [assets, *logs]


def _line(leftover: Leftover, region: str) -> str:
    identifier = leftover.physical_id
    if leftover.type == "AWS::S3::Bucket":
        return (
            f"bucket {identifier}: billed for what it stores, until you delete it: "
            f".venv/bin/python -m tools.deployment.delete_bucket {identifier} --region {region}"
        )
    if leftover.type == "AWS::KMS::Key":
        return (
            f"KMS key {identifier}: 1 USD a month; without it the buckets cannot be read. After "
            f"them: aws kms schedule-key-deletion --key-id {identifier} --region {region}"
        )
    if leftover.type == MODEL_PACKAGE_GROUP:
        name = identifier.rpartition("/")[2]
        return (
            f"model package group {name}: free; the next deployment says how to import it. To "
            f"delete it: {delete_commands(name, region)}"
        )
    if leftover.type == _LOGGING_ROLE:
        return (
            f"role {identifier}: free; every API of the account writes its logs with it. Keep it, "
            "unless the account has no other API"
        )
    return f"{leftover.type} {identifier}"
