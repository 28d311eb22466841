"""The log groups that SageMaker creates if they do not exist: unencrypted, without an expiry."""

from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.names import ENDPOINT_LOG_GROUP_ID, endpoint_log_group_name
from tools.console import ToolError
from tools.counted import counted
from tools.deployment.resource_import import ExistingResource, import_resource, stack_has

# Of the jobs of all stages and teams of an account and region.
JOB_LOG_GROUPS: Final = {
    "training": "/aws/sagemaker/TrainingJobs",
    "batch transform": "/aws/sagemaker/TransformJobs",
}
_NOT_FOUND = "ResourceNotFoundException"


def import_endpoint_log_group(
    cloudformation: Any, logs: Any, *, stack: str, endpoint: str
) -> str | None:
    """Import the endpoint's log group into the serving stack if it exists and no stack holds it.

    Its events are kept. The deployment that follows sets the key and the retention.

    Args:
        cloudformation: boto3 client.
        logs: boto3 client.
        stack: name of the serving stack.
        endpoint: name of the endpoint.

    Returns:
        The name of the imported log group; None if there was nothing to import.

    Raises:
        ToolError: it cannot be imported; the message says how to delete it.
    """
    name = endpoint_log_group_name(endpoint)
    if _described(logs, name) is None or stack_has(cloudformation, stack, ENDPOINT_LOG_GROUP_ID):
        return None
    resource = ExistingResource(
        logical_id=ENDPOINT_LOG_GROUP_ID,
        type="AWS::Logs::LogGroup",
        identifier={"LogGroupName": name},
        properties={"LogGroupName": name},
        deletion_policy="Delete",
    )
    try:
        import_resource(cloudformation, stack, resource)
    except ToolError as error:
        raise ToolError(
            f"The log group {name} exists and cannot be imported into the stack {stack}: {error}\n"
            "Save the events that you need, delete it, and deploy again:\n"
            f"  aws logs delete-log-group --log-group-name {name} --region {logs.meta.region_name}"
        ) from error
    return name


def check_no_log_group(logs: Any, endpoint: str) -> None:
    """Check that no log group has the name of an endpoint that is created in place of another.

    The serving stack holds the group of the other one under the same logical id, so that it can
    neither import nor create this one.

    Raises:
        ToolError: there is one; SageMaker may have written to it after the endpoint was deleted.
    """
    name = endpoint_log_group_name(endpoint)
    if _described(logs, name) is not None:
        raise ToolError(
            f"The log group {name} exists, of an earlier time with the same serving.mode, and "
            "CloudFormation would fail to create it. Save the events that you need, delete it, and "
            "deploy again:\n"
            f"  aws logs delete-log-group --log-group-name {name} --region {logs.meta.region_name}"
        )


def expire_job_logs(logs: Any, *, retention_days: int) -> list[str]:
    """Set the retention of the log groups of jobs, where one is new or empty.

    All jobs of the account and region share them, so that no stack may hold them, and a retention
    would delete old logs of other teams' jobs.

    Args:
        logs: boto3 client.
        retention_days: one of the values that CloudWatch Logs accepts.

    Returns:
        For each group without a retention, what was set, or the command that sets it.
    """
    notes = (_expire(logs, kind, retention_days=retention_days) for kind in JOB_LOG_GROUPS)
    return [note for note in notes if note is not None]


def _expire(logs: Any, kind: str, *, retention_days: int) -> str | None:
    name = JOB_LOG_GROUPS[kind]
    group = _described(logs, name)
    if group is None:
        # Before the first job, which would create it without a retention.
        logs.create_log_group(logGroupName=name)
    elif "retentionInDays" in group:
        return None
    # Not storedBytes, which is some hours old.
    elif logs.describe_log_streams(logGroupName=name, limit=1)["logStreams"]:
        return (
            f"The logs of all {kind} jobs in this account and region are kept forever. Unless "
            "somebody needs them, delete those older than the stage's log_retention_days: aws logs "
            f"put-retention-policy --log-group-name {name} "
            f"--retention-in-days {retention_days} --region {logs.meta.region_name}"
        )
    logs.put_retention_policy(logGroupName=name, retentionInDays=retention_days)
    return (
        f"The logs of all {kind} jobs in this account and region ({name}) are now "
        f"deleted after {counted(retention_days, 'day')}; there were none yet."
    )


def delete_endpoint_log_group(logs: Any, endpoint: str) -> None:
    """Delete the endpoint's log group if SageMaker created it again while its stack was deleted.

    Args:
        logs: boto3 client.
        endpoint: name of the deleted endpoint.
    """
    try:
        logs.delete_log_group(logGroupName=endpoint_log_group_name(endpoint))
    except ClientError as error:
        if error.response["Error"]["Code"] != _NOT_FOUND:
            raise


def _described(logs: Any, name: str) -> dict[str, Any] | None:
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name):
        for group in page["logGroups"]:
            if group["logGroupName"] == name:
                return dict(group)
    return None
