"""Imports the datasets that `make destroy KEEP=datasets` kept, before the next deployment."""

import json
from typing import Any

from botocore.exceptions import ClientError

from stacks.settings.stage import StageSettings
from tools.console import ToolError
from tools.deployment.kept_datasets import (
    BUCKET,
    KEY,
    POLICY,
    Kept,
    bucket_exists,
    bucket_of,
    forget,
    held,
    kept_resources,
)
from tools.deployment.resource_import import ExistingResource, import_resources, stack_has

# The property that identifies a resource, by its type.
_IDENTIFIERS = {BUCKET: "BucketName", POLICY: "Bucket", KEY: "KeyId"}


def take_back_datasets(client: Any, settings: StageSettings) -> str | None:
    """Import what was kept into the storage stack, so that the next deployment goes on with it.

    Args:
        client: returns a boto3 client of a service.
        settings: of the stage.

    Returns:
        What was done, in a sentence; None: nothing was kept.

    Raises:
        ToolError: it cannot be imported; the message is the reason.
    """
    kept = kept_resources(client, settings.name)
    if not kept:
        return None
    bucket, cloudformation = bucket_of(kept), client("cloudformation")
    stack = f"{settings.name}-storage"
    if not bucket_exists(client("s3"), bucket):
        forget(client, settings.name)
        return f"The datasets that were kept are gone: the bucket {bucket} was deleted."
    (logical_id,) = (each.logical_id for each in kept if each.type == BUCKET)
    if stack_has(cloudformation, stack, logical_id):
        if held(cloudformation, stack, logical_id, BUCKET).physical_id == bucket:
            forget(client, settings.name)
            return None
        return (
            f"The datasets that were kept are in the bucket {bucket}, and the stage has another "
            f"one since. To copy them: aws s3 sync s3://{bucket} s3://<the output DatasetsBucket "
            f"of {settings.name}-training>"
        )
    _check_key(client, settings, kept)
    existing = [_existing(client("s3"), each, logical_id, bucket) for each in kept]
    import_resources(cloudformation, stack, existing)
    forget(client, settings.name)
    return f"Took back the datasets that were kept: the bucket {bucket}."


def _existing(s3: Any, kept: Kept, bucket_logical_id: str, bucket: str) -> ExistingResource:
    """Return what an import states of a resource; the deployment after it sets the rest."""
    properties: dict[str, Any] = {}
    if kept.type == POLICY:
        policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
        properties = {"Bucket": {"Ref": bucket_logical_id}, "PolicyDocument": json.loads(policy)}
    return ExistingResource(
        logical_id=kept.logical_id,
        type=kept.type,
        identifier={_IDENTIFIERS[kept.type]: bucket if kept.type == POLICY else kept.physical_id},
        properties=properties,
        deletion_policy="RetainExceptOnCreate",
    )


def _check_key(client: Any, settings: StageSettings, kept: list[Kept]) -> None:
    keys = [each.physical_id for each in kept if each.type == KEY]
    for key in keys:
        if settings.encryption == "aws":
            raise ToolError(
                f'config/{settings.stage}.toml sets encryption = "aws", and the datasets that were '
                f'kept are encrypted with the KMS key {key}: set encryption = "kms".'
            )
        state = _key_state(client("kms"), key)
        if state is None:
            bucket, region = bucket_of(kept), client("s3").meta.region_name
            raise ToolError(
                f"The KMS key {key} of the datasets that were kept no longer exists, and nobody "
                "can read them any more. Delete their bucket, then deploy again: .venv/bin/python "
                f"-m tools.deployment.delete_bucket {bucket} --region {region}"
            )
        if state != "Enabled":
            raise ToolError(
                f"The KMS key {key} of the datasets that were kept is {state}, and they cannot be "
                "read without it. Before its deletion: aws kms cancel-key-deletion --key-id "
                f"{key}, then aws kms enable-key --key-id {key}."
            )


def _key_state(kms: Any, key: str) -> str | None:
    """Return the state of a key, None if it was deleted."""
    try:
        state: str = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
        return None
    return state
