"""Updates the stacks that refer to a key or an API that was replaced under them.

References between the stacks are weak (Fn::GetStackOutput): CloudFormation resolves one when it
updates the consumer, and neither it nor the CDK command line notices that the value has changed
since (docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
intrinsic-function-reference-getstackoutput.html). The page and the alarms would keep the API that
was deleted, and all stacks the key, the buckets and the policies of the storage stack: its key and
the time of its creation stand for them, as a stage may have no key.
`cdk deploy --force` does not help where the template is unchanged: the change set is empty. A
changed tag of the stack updates its resources.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from tools.aws import find_stack, stack_resources
from tools.console import ToolError
from tools.deployment.stack_update import update_with_previous_template
from tools.status_line import say

_TAG = "whippet:references-updated"  # the next `cdk deploy` removes it, as no template has it

# In the order of their deployment.
_PURPOSES = ("storage", "network", "training", "serving", "batch", "api", "web", "monitoring")
# What the alarms refer to in other stacks: the stack and the type, by the dimension's name.
_MONITORED = {
    "DistributionId": ("web", "AWS::CloudFront::Distribution"),
    "FunctionName": ("api", "AWS::Lambda::Function"),
    "StateMachineArn": ("training", "AWS::StepFunctions::StateMachine"),
}

Client = Callable[[str], Any]
# The type and the physical id of each.
_Resources = Sequence[tuple[str, str]]


def update_references(client: Client, *, name: str) -> None:
    """Update each stack that refers to another key, API or function than the deployed ones.

    Args:
        client: returns a boto3 client of the stage's region by the service's name.
        name: the start of the stacks' names, such as whippet-dev.

    Raises:
        ToolError: a stack could not be updated, or still refers to another resource.
    """
    client = functools.cache(client)
    outdated = _outdated_stacks(client, name)
    for stack in outdated:
        say(f"  The stack {stack} refers to what was replaced: updating it")
        _update(client("cloudformation"), stack)
    if outdated and (left := _outdated_stacks(client, name)):
        raise ToolError(
            f"{' and '.join(left)}: refers to what was replaced, and CloudFormation's "
            f"update did not change that. Delete the stack in CloudFormation and deploy again."
        )


def _outdated_stacks(client: Client, name: str) -> list[str]:
    """Return the stacks that refer to another resource than the deployed one."""
    cloudformation = client("cloudformation")
    resources = {
        purpose: list(stack_resources(cloudformation, f"{name}-{purpose}")) for purpose in _PURPOSES
    }
    keys = set(_ids(resources["storage"], "AWS::KMS::Key"))
    apis = set(_ids(resources["api"], "AWS::ApiGateway::RestApi"))
    deployed = {
        name: set(_ids(resources[purpose], kind)) for name, (purpose, kind) in _MONITORED.items()
    }
    outdated = {
        purpose for purpose in _PURPOSES if not set(_keys(client, resources[purpose])) <= keys
    }
    outdated |= _older_than_storage(cloudformation, name)
    if not set(_origins(client, resources["web"])) <= apis:
        outdated.add("web")
    for dimension, value in _monitored(client, resources["monitoring"]):
        if value not in deployed.get(dimension, {value}):
            outdated.add("monitoring")
    return [f"{name}-{purpose}" for purpose in _PURPOSES if purpose in outdated]


def _older_than_storage(cloudformation: Any, name: str) -> set[str]:
    """Return the purposes of the stacks that were last updated before storage was created."""
    described = {purpose: find_stack(cloudformation, f"{name}-{purpose}") for purpose in _PURPOSES}
    storage = described["storage"]
    if storage is None:
        return set()
    return {
        purpose
        for purpose, stack in described.items()
        if stack is not None
        # A stack that was never updated has no such time.
        and stack.get("LastUpdatedTime", stack["CreationTime"]) < storage["CreationTime"]
    }


def _keys(client: Client, resources: _Resources) -> Iterator[str]:
    """Yield the ids of the keys of log groups and topics."""
    for group in _ids(resources, "AWS::Logs::LogGroup"):
        found = client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        yield from (
            each["kmsKeyId"].rpartition("/")[2]
            for each in found
            if each["logGroupName"] == group and "kmsKeyId" in each
        )
    for topic in _ids(resources, "AWS::SNS::Topic"):
        attributes = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
        if "KmsMasterKeyId" in attributes:
            yield attributes["KmsMasterKeyId"].rpartition("/")[2]


def _origins(client: Client, resources: _Resources) -> Iterator[str]:
    """Yield the ids of the APIs behind the distributions of a stack."""
    for distribution in _ids(resources, "AWS::CloudFront::Distribution"):
        found = client("cloudfront").get_distribution_config(Id=distribution)
        for origin in found["DistributionConfig"]["Origins"]["Items"]:
            api, separator, _ = origin["DomainName"].partition(".execute-api.")
            if separator:
                yield api


def _monitored(client: Client, resources: _Resources) -> Iterator[tuple[str, str]]:
    """Yield name and value of each dimension of the metrics that a stack's alarms watch."""
    alarms = _ids(resources, "AWS::CloudWatch::Alarm")
    if not alarms:
        return
    pages = client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=alarms)
    for page in pages:
        for alarm in page["MetricAlarms"]:
            stats = [query.get("MetricStat") for query in alarm.get("Metrics", [])]
            metrics = [alarm, *(stat["Metric"] for stat in stats if stat)]
            for dimension in (each for metric in metrics for each in metric.get("Dimensions", [])):
                yield dimension["Name"], dimension["Value"]


def _ids(resources: _Resources, kind: str) -> list[str]:
    return [id_ for type_, id_ in resources if type_ == kind]


def _update(cloudformation: Any, stack: str) -> None:
    (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    tags[_TAG] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    try:
        update_with_previous_template(cloudformation, described, tags=tags)
    except ToolError as error:
        given = " ".join(f"--tags {key}={value}" for key, value in tags.items())
        raise ToolError(
            f"The stack {stack} refers to what was replaced, and it cannot be updated: "
            f"{error}. When that is solved, run `npx --no-install cdk deploy --exclusively {stack} "
            f"{given}` with the `-c stage=` of this deployment."
        ) from error
