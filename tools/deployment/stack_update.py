"""Updates of a deployed stack without the CDK command line."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from tools.aws import stack_parameters
from tools.console import ToolError

_POLL_SECONDS = 2
_MAX_POLLS = 3600  # two hours: an endpoint may take one to start, and its rollback some minutes
# As those of the CDK command line.
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def update_with_previous_template(
    cloudformation: Any,
    described: Mapping[str, Any],
    *,
    parameters: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Update a stack with the template that it has, and wait for the end of the update.

    CloudFormation acts with the role that the stack was deployed with. Source:
    docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStack.html

    Args:
        cloudformation: boto3 client.
        described: CloudFormation's description of the stack.
        parameters: the values of parameters that change.
        tags: all tags of the stack; None: they stay.

    Raises:
        ToolError: CloudFormation refused the update, or rolled it back; the message is its reason.
    """
    given = (
        {}
        if tags is None
        else {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    )
    _update(cloudformation, described, parameters or {}, UsePreviousTemplate=True, **given)


def update_with_template(
    cloudformation: Any, described: Mapping[str, Any], template: Mapping[str, Any]
) -> None:
    """Update a stack with another template and the parameters that it has; wait for the end.

    Args:
        cloudformation: boto3 client.
        described: CloudFormation's description of the stack.
        template: the template.

    Raises:
        ToolError: as `update_with_previous_template`.
    """
    body = json.dumps(template, separators=(",", ":"))
    _update(cloudformation, described, {}, TemplateBody=body)


def _update(
    cloudformation: Any,
    described: Mapping[str, Any],
    changed: Mapping[str, str],
    **given: Any,
) -> None:
    name = described["StackName"]
    try:
        cloudformation.update_stack(
            StackName=name,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": changed[key]}
                if key in changed
                else {"ParameterKey": key, "UsePreviousValue": True}
                for key in stack_parameters(described)
            ],
            Capabilities=_CAPABILITIES,
            **given,
        )
    except ClientError as error:
        raise ToolError(str(error)) from error
    wait_for_update(cloudformation, name)


def wait_for_update(cloudformation: Any, name: str) -> None:
    """Wait for the end of an update of a stack that is in progress.

    Args:
        cloudformation: boto3 client.
        name: name of the stack.

    Raises:
        ToolError: the update failed or takes longer than two hours; the message is the reason.
    """
    try:
        cloudformation.get_waiter("stack_update_complete").wait(
            StackName=name, WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": _MAX_POLLS}
        )
    except WaiterError as error:
        raise ToolError(_failure(cloudformation, name) or str(error)) from error


def _failure(cloudformation: Any, name: str) -> str | None:
    """Return why the last update of a stack failed: the reason of its first failed resource."""
    reason = None
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
    for event in (event for page in pages for event in page["StackEvents"]):
        status = event["ResourceStatus"]
        # The events begin with the newest.
        if event["LogicalResourceId"] == name and status == "UPDATE_IN_PROGRESS":
            break
        if status.endswith("_FAILED") and "ResourceStatusReason" in event:
            reason = f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
    return reason
