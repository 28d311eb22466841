"""The network of a stage: what a deployment cannot change, and what has to leave it first."""

import time
from collections.abc import Mapping
from typing import Any

from stacks.names import NETWORK_OUTPUT
from stacks.settings.stage import StageSettings
from tools.aws import find_stack, stack_outputs, stack_resources
from tools.console import ToolError

_GROUP = "AWS::EC2::SecurityGroup"
_POLL_SECONDS = 15
# Lambda keeps the interfaces of a deleted function for up to 20 minutes
# (docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html), and SageMaker's may take as long.
_MAX_POLLS = 160


def network_stack(stage_name: str) -> str:
    """Return the name of the stack with the network.

    Args:
        stage_name: such as whippet-dev.
    """
    return f"{stage_name}-network"


def network_problem(settings: StageSettings, cloudformation: Any) -> str | None:
    """Return why the network of a deployed stage cannot be changed as the settings say, or None.

    CloudFormation changes the network before what runs in it: it could not delete subnets and
    groups that are in use, and functions would lose their way to the endpoint.

    Args:
        settings: the stage's settings.
        cloudformation: boto3 client.
    """
    if not settings.network.enabled:
        return None
    described = find_stack(cloudformation, network_stack(settings.name))
    # A stack that was never created has no outputs.
    deployed = stack_outputs(described).get(NETWORK_OUTPUT) if described is not None else None
    return placement_problem(settings, deployed)


def changed_network_problem(settings: StageSettings, deployed: Mapping[str, Any]) -> str | None:
    """Return why the network of deployed templates cannot be changed as the settings say, or None.

    Args:
        settings: the stage's settings.
        deployed: templates of the stage by the name of their stack.
    """
    template = deployed.get(network_stack(settings.name), {})
    outputs = template.get("Outputs", {}) if isinstance(template, Mapping) else {}
    return placement_problem(settings, outputs.get(NETWORK_OUTPUT, {}).get("Value"))


def placement_problem(settings: StageSettings, deployed: str | None) -> str | None:
    """Return why a network cannot be changed as the settings say, or None.

    Args:
        settings: the stage's settings.
        deployed: the output `NETWORK_OUTPUT` of the deployed network; None: there is none.
    """
    network = settings.network
    if not network.enabled or deployed is None:
        return None
    place, _, parts = deployed.partition(": ")
    removed = [part for part in parts.split(", ") if part not in network.placed]
    if place == network.identity and not removed:
        return None
    changed = f"without {' and '.join(removed)}" if removed else network.identity
    return (
        f"The network of the stage is {deployed}, and config/{settings.stage}.toml sets {changed}: "
        "what runs in a network has to leave it first. Deploy with "
        'network.vpc = "none" and no other setting of [network]; delete the stack '
        f"{network_stack(settings.name)} as the deployment then says; then deploy the network that "
        "you want."
    )


def unused_network_note(settings: StageSettings, cloudformation: Any, region: str) -> str | None:
    """Return that a network remains in which nothing runs any more, and how to delete it, or None.

    Args:
        settings: the stage's settings.
        cloudformation: boto3 client.
        region: of the stage.
    """
    stack = network_stack(settings.name)
    if settings.network.enabled or find_stack(cloudformation, stack) is None:
        return None
    return (
        f"Nothing of the stage runs in the network of the stack {stack} any more, whose endpoints "
        "are billed by the hour. Delete it when the last network interfaces have left it, which "
        f"takes up to 40 minutes: aws cloudformation delete-stack --stack-name {stack} --region "
        f"{region}"
    )


def wait_until_unused(cloudformation: Any, ec2: Any, stack: str) -> None:
    """Wait until no network interface uses a security group of a stack.

    Functions and endpoints are deleted before their interfaces, which block the deletion of groups
    and subnets.

    Args:
        cloudformation: boto3 client.
        ec2: boto3 client.
        stack: name of the stack; there need not be one.

    Raises:
        ToolError: some remain after 40 minutes.
    """
    groups = [id_ for kind, id_ in stack_resources(cloudformation, stack) if kind == _GROUP]
    if not groups:
        return
    for _ in range(_MAX_POLLS):
        remaining = _interfaces(ec2, groups)
        if not remaining:
            return
        time.sleep(_POLL_SECONDS)
    raise ToolError(
        f"The network interfaces {', '.join(remaining)} are still in the network of {stack}, which "
        "cannot be deleted before them. Run this command again later; `aws ec2 "
        "describe-network-interfaces` says who uses them."
    )


def _interfaces(ec2: Any, groups: list[str]) -> list[str]:
    """Return the interfaces in groups, but for those of endpoints, which are deleted with them."""
    pages = ec2.get_paginator("describe_network_interfaces").paginate(
        Filters=[{"Name": "group-id", "Values": groups}]
    )
    return [
        each["NetworkInterfaceId"]
        for page in pages
        for each in page["NetworkInterfaces"]
        if each.get("InterfaceType") != "vpc_endpoint"
        and {group["GroupId"] for group in each.get("Groups", [])} & {*groups}
    ]
