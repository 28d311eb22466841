"""`make destroy KEEP=datasets`: the bucket of datasets outlives its stage, with what reads it.

The names of what is kept stand in a parameter of Systems Manager until the next deployment takes
them back.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from stacks.names import KEPT_DATASETS_VALUE, parameter_path
from tools.aws import find_stack, is_held
from tools.console import ToolError
from tools.deployment.stack_update import update_with_template

BUCKET = "AWS::S3::Bucket"
KEY = "AWS::KMS::Key"
POLICY = "AWS::S3::BucketPolicy"
_DATASETS = "BucketsDatasets"  # CDK appends a hash
_RETAIN = "Retain"
# A change of a deletion policy alone may be no update.
_MARK = {"Whippet": "kept by make destroy KEEP=datasets"}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A resource that is not deleted with its stack.

    Attributes:
        logical_id: its id in the template.
        type: its resource type.
        physical_id: its name or id.
    """

    logical_id: str
    type: str
    physical_id: str


def is_marked(resource: Mapping[str, Any]) -> bool:
    """Return whether a resource of a template is kept when its stack is deleted."""
    return bool(resource.get("Metadata", {}).items() >= _MARK.items())


def keep_datasets(client: Any, stage_name: str) -> list[Kept]:
    """Let the deployed storage stack retain the datasets, their key and the bucket's policy.

    Args:
        client: returns a boto3 client of a service.
        stage_name: such as whippet-dev.

    Returns:
        What will be retained, which is recorded for the next deployment.

    Raises:
        ToolError: the stage has no bucket of datasets, others are kept already, or CloudFormation
            refused.
    """
    cloudformation, stack = client("cloudformation"), f"{stage_name}-storage"
    described = find_stack(cloudformation, stack)
    if described is None:
        if kept := kept_resources(client, stage_name):
            return kept  # by a run that went on to delete the stack
        raise ToolError(
            f"There is no stack {stack}: nothing was deleted. KEEP=datasets keeps those of a "
            "deployed stage."
        )
    template = cloudformation.get_template(StackName=stack, TemplateStage="Original")
    resources = template["TemplateBody"]["Resources"]
    ids = _kept_ids(resources)
    bucket = held(cloudformation, stack, ids[0], BUCKET).physical_id
    _check_no_other(client, stage_name, bucket)
    if not all(is_marked(resources[id_]) for id_ in ids):
        for id_ in ids:
            resource = resources[id_]
            resource |= {"DeletionPolicy": _RETAIN, "UpdateReplacePolicy": _RETAIN}
            resource["Metadata"] = resource.get("Metadata", {}) | _MARK
        update_with_template(cloudformation, described, template["TemplateBody"])
    kept = [held(cloudformation, stack, id_, resources[id_]["Type"]) for id_ in ids]
    client("ssm").put_parameter(
        Name=_parameter(stage_name),
        Type="String",
        Value=json.dumps([asdict(each) for each in kept]),
        Overwrite=True,
    )
    # Its target is deleted with the stage; the next deployment sets it again.
    client("s3").put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    return kept


def kept_resources(client: Any, stage_name: str) -> list[Kept]:
    """Return what was kept of a stage and not taken back.

    Args:
        client: returns a boto3 client of a service.
        stage_name: such as whippet-dev.
    """
    try:
        found = client("ssm").get_parameter(Name=_parameter(stage_name))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return []
    return [Kept(**each) for each in json.loads(found["Parameter"]["Value"])]


def bucket_of(kept: list[Kept]) -> str:
    """Return the name of the bucket of datasets."""
    return next(each.physical_id for each in kept if each.type == BUCKET)


def forget(client: Any, stage_name: str) -> None:
    """Delete the record of what was kept."""
    client("ssm").delete_parameter(Name=_parameter(stage_name))


def held(cloudformation: Any, stack: str, logical_id: str, type_: str) -> Kept:
    """Return a resource that a deployed stack holds.

    Raises:
        ToolError: it does not.
    """
    found = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
    detail = found["StackResourceDetail"]
    if not is_held(detail):
        raise ToolError(f"{stack} does not have its {type_} {logical_id}: nothing was deleted.")
    return Kept(logical_id=logical_id, type=type_, physical_id=detail["PhysicalResourceId"])


def _check_no_other(client: Any, stage_name: str, bucket: str) -> None:
    """Check that the record has no other bucket, which nothing else names.

    Raises:
        ToolError: it has one that still exists.
    """
    kept = kept_resources(client, stage_name)
    if not kept or (other := bucket_of(kept)) == bucket or not bucket_exists(client("s3"), other):
        return
    keys = [each.physical_id for each in kept if each.type == KEY]
    key = f" and then its key (aws kms schedule-key-deletion --key-id {keys[0]})" if keys else ""
    raise ToolError(
        f"Nothing was deleted: KEEP=datasets has kept the bucket {other} before, which no "
        f"deployment took back, and the stage now has {bucket}. Only one is kept at a time. Copy "
        f"what you need (aws s3 sync s3://{other} s3://{bucket}), delete the earlier one "
        f"(.venv/bin/python -m tools.deployment.delete_bucket {other} --region "
        f"{client('s3').meta.region_name}){key}, and run this command again."
    )


def bucket_exists(s3: Any, bucket: str) -> bool:
    """Return whether there is a bucket of this name."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return False
    return True


def _kept_ids(resources: Mapping[str, Any]) -> list[str]:
    """Return the logical ids of the bucket, of its policy, and of the key if there is one."""
    buckets = [
        id_
        for id_, each in resources.items()
        if each["Type"] == BUCKET and id_.startswith(_DATASETS)
    ]
    if len(buckets) != 1:
        raise ToolError("The storage stack has no bucket of datasets: nothing was deleted.")
    reference = {"Ref": buckets[0]}
    policies = [
        id_
        for id_, each in resources.items()
        if each["Type"] == POLICY and each["Properties"]["Bucket"] == reference
    ]
    return [*buckets, *policies, *(id_ for id_, each in resources.items() if each["Type"] == KEY)]


def _parameter(stage_name: str) -> str:
    return f"{parameter_path(stage_name)}/{KEPT_DATASETS_VALUE}"
