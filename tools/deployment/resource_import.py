"""Imports an existing resource into a stack, so that the next deployment updates it.

A resource whose name AWS or the stage prescribes may be left by an earlier deployment or created
by a service: then a stack that creates it fails. The CDK CLI imports without prompts only what is
retained when its stack is deleted; CloudFormation's own operation also imports a log group that is
deleted with its stack.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from tools.aws import is_held, is_missing_stack
from tools.console import ToolError

_CHANGE_SET = "whippet-import"
_WAIT = {"Delay": 2, "MaxAttempts": 150}
# The stack may have roles; an import does not change them.
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
_NO_STACK = {"REVIEW_IN_PROGRESS"}
# As the CDK CLI does: a stack whose creation failed cannot be updated.
_FAILED_CREATION = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}


@dataclass(frozen=True, kw_only=True)
class ExistingResource:
    """A resource to import.

    Attributes:
        logical_id: its id in the template.
        type: its resource type.
        identifier: the property that identifies it, by its name in CloudFormation's schema.
        properties: the properties whose change would replace it. The next deployment sets the
            others: CloudFormation applies only what differs from the imported template.
        deletion_policy: as in the stack's own template.
    """

    logical_id: str
    type: str
    identifier: dict[str, str]
    properties: dict[str, Any]
    deletion_policy: str


def import_resource(cloudformation: Any, stack: str, resource: ExistingResource) -> None:
    """Add one existing resource to a stack; as `import_resources`."""
    import_resources(cloudformation, stack, [resource])


def import_resources(
    cloudformation: Any, stack: str, resources: Sequence[ExistingResource]
) -> None:
    """Add existing resources to a stack; if there is no such stack, create one with them alone.

    Source: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources.html

    Args:
        cloudformation: boto3 client.
        stack: name of the stack.
        resources: the resources.

    Raises:
        ToolError: CloudFormation refused; the message is its reason.
    """
    try:
        template = _current_template(cloudformation, stack)
        parameters = template.get("Parameters", {})
        for resource in resources:
            template.setdefault("Resources", {})[resource.logical_id] = {
                "Type": resource.type,
                "DeletionPolicy": resource.deletion_policy,
                "Properties": resource.properties,
            }
        # Of a run that was interrupted; there need not be one, nor a stack.
        with suppress(ClientError):
            cloudformation.delete_change_set(StackName=stack, ChangeSetName=_CHANGE_SET)
        change_set = cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=_CHANGE_SET,
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps(template, separators=(",", ":")),
            Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in parameters],
            Capabilities=_CAPABILITIES,
            ResourcesToImport=[
                {
                    "ResourceType": resource.type,
                    "LogicalResourceId": resource.logical_id,
                    "ResourceIdentifier": resource.identifier,
                }
                for resource in resources
            ],
        )["Id"]
        _execute(cloudformation, stack, change_set)
    except (ClientError, WaiterError) as error:
        raise ToolError(str(error)) from error


def stack_has(cloudformation: Any, stack: str, logical_id: str) -> bool:
    """Return whether a stack exists and holds a resource."""
    try:
        described = cloudformation.describe_stack_resource(
            StackName=stack, LogicalResourceId=logical_id
        )
    except ClientError as error:
        if is_missing_stack(error):
            return False
        raise
    return is_held(described["StackResourceDetail"])


def _current_template(cloudformation: Any, stack: str) -> dict[str, Any]:
    """Return the stack's template; an empty one if there is no stack that can be updated."""
    try:
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if is_missing_stack(error):
            return {}
        raise
    status = described["StackStatus"]
    if status in _FAILED_CREATION:
        cloudformation.delete_stack(StackName=stack)
        waiter = cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=described["StackId"], WaiterConfig=_WAIT)
    if status in _FAILED_CREATION | _NO_STACK:
        return {}
    body = cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    if not isinstance(body, dict):  # botocore parses JSON, which is what CDK deploys
        raise ToolError(f"the template of the stack {stack} is not JSON")
    return dict(body)


def _execute(cloudformation: Any, stack: str, change_set: str) -> None:
    names = {"StackName": stack, "ChangeSetName": change_set}
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(**names, WaiterConfig=_WAIT)
    except WaiterError as error:
        reason = cloudformation.describe_change_set(**names).get("StatusReason", str(error))
        cloudformation.delete_change_set(**names)
        raise ToolError(reason) from error
    cloudformation.execute_change_set(**names)
    try:
        cloudformation.get_waiter("stack_import_complete").wait(StackName=stack, WaiterConfig=_WAIT)
    except WaiterError as error:
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        reason = described.get("StackStatusReason", str(error))
        raise ToolError(f"the stack {stack} is {described['StackStatus']}: {reason}") from error
