"""Updates the page and the alarms if they refer to an API that was replaced under them.

References between the stacks are weak (Fn::GetStackOutput): CloudFormation resolves one when it
updates the consumer, and neither it nor the CDK command line notices that the value has changed
since (docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
intrinsic-function-reference-getstackoutput.html). The stacks `web` and `monitoring` would keep the
API that was deleted. `cdk deploy --force` does not help where the template is unchanged: the change
set is empty. A changed tag of the stack updates its resources.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from tools.aws import is_held, is_missing_stack
from tools.console import ToolError, say

_TAG = "whippet:references-updated"  # the next `cdk deploy` removes it, as no template has it
_POLL_SECONDS = 5
_MAX_POLLS = 360  # half an hour: CloudFront takes minutes
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

Client = Callable[[str], Any]


def update_api_references(client: Client, *, name: str) -> None:
    """Update each stack that refers to another API or function than the deployed ones.

    Args:
        client: returns a boto3 client of the stage's region by the service's name.
        name: the start of the stacks' names, such as whippet-dev.

    Raises:
        ToolError: a stack could not be updated, or still refers to another API.
    """
    outdated = _outdated_stacks(client, name)
    for stack in outdated:
        say(f"  The stack {stack} refers to an API that was replaced: updating it")
        _update(client("cloudformation"), stack)
    if outdated and (left := _outdated_stacks(client, name)):
        raise ToolError(
            f"{' and '.join(left)}: refers to an API that was replaced, and CloudFormation's "
            f"update did not change that. Delete the stack in CloudFormation and deploy again."
        )


def _outdated_stacks(client: Client, name: str) -> list[str]:
    """Return the stacks that refer to another API than the deployed one."""
    resources = list(_resources(client, f"{name}-api"))
    apis = {id_ for kind, id_ in resources if kind == "AWS::ApiGateway::RestApi"}
    functions = {id_ for kind, id_ in resources if kind == "AWS::Lambda::Function"}
    outdated = []
    if not set(_origins(client, f"{name}-web")) <= apis:
        outdated.append(f"{name}-web")
    if not set(_monitored_functions(client, f"{name}-monitoring")) <= functions:
        outdated.append(f"{name}-monitoring")
    return outdated


def _origins(client: Client, stack: str) -> Iterator[str]:
    """Yield the ids of the APIs behind the distributions of a stack."""
    for kind, distribution in _resources(client, stack):
        if kind == "AWS::CloudFront::Distribution":
            found = client("cloudfront").get_distribution_config(Id=distribution)
            for origin in found["DistributionConfig"]["Origins"]["Items"]:
                api, separator, _ = origin["DomainName"].partition(".execute-api.")
                if separator:
                    yield api


def _monitored_functions(client: Client, stack: str) -> Iterator[str]:
    """Yield the names of the functions that the alarms of a stack watch."""
    alarms = [id_ for kind, id_ in _resources(client, stack) if kind == "AWS::CloudWatch::Alarm"]
    if not alarms:
        return
    pages = client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=alarms)
    for page in pages:
        for alarm in page["MetricAlarms"]:
            for dimension in alarm.get("Dimensions", []):
                if dimension["Name"] == "FunctionName":
                    yield dimension["Value"]


def _resources(client: Client, stack: str) -> Iterator[tuple[str, str]]:
    pages = client("cloudformation").get_paginator("list_stack_resources")
    try:
        for page in pages.paginate(StackName=stack):
            for resource in page["StackResourceSummaries"]:
                if is_held(resource):
                    yield resource["ResourceType"], resource["PhysicalResourceId"]
    except ClientError as error:
        if not is_missing_stack(error):  # a stage may have no page
            raise


def _update(cloudformation: Any, stack: str) -> None:
    (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    tags[_TAG] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    names = [parameter["ParameterKey"] for parameter in described.get("Parameters", [])]
    try:
        cloudformation.update_stack(
            StackName=stack,
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": name, "UsePreviousValue": True} for name in names],
            Capabilities=_CAPABILITIES,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        cloudformation.get_waiter("stack_update_complete").wait(
            StackName=stack, WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": _MAX_POLLS}
        )
    except (ClientError, WaiterError) as error:
        given = " ".join(f"--tags {key}={value}" for key, value in tags.items())
        raise ToolError(
            f"The stack {stack} refers to an API that was replaced, and it cannot be updated: "
            f"{error}. When that is solved, run `npx --no-install cdk deploy --exclusively {stack} "
            f"{given}` with the `-c stage=` of this deployment."
        ) from error
