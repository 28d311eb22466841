"""What cannot change in the network of a deployed stage, and its interfaces; AWS is a stub."""

from typing import Any

import pytest
from botocore.stub import Stubber

import tools.deployment.network as tool
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.tools.deployment.test_preflight import (
    _no_credentials,  # noqa: F401 - a fixture
    session,
)
from tests.tools.stubbed_session import stubbed_client
from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment.preflight import check_account

STACK = "whippet-dev-network"
OWN = "own 10.0.0.0/20 in first zones: endpoint, training, functions"
EXISTING = {"vpc": "existing", "vpc_id": "vpc-0a1b2c3d"}


def dev(**network: Any) -> StageSettings:
    found = load_stage_settings("dev", ROOT / "config")
    return with_changes(found, network=with_changes(found.network, **network))


def add_stack(stub: Stubber, placement: str | None) -> None:
    if placement is None:
        stub.add_client_error("describe_stacks", "ValidationError", f"{STACK} does not exist")
        return
    outputs = [{"OutputKey": "Placement", "OutputValue": placement}]
    described = {"StackName": STACK, "CreationTime": 0, "StackStatus": "UPDATE_COMPLETE"}
    stub.add_response(
        "describe_stacks", {"Stacks": [described | {"Outputs": outputs}]}, {"StackName": STACK}
    )


def problem(settings: StageSettings, placement: str | None) -> str | None:
    client = stubbed_client("cloudformation")
    with Stubber(client) as stub:
        add_stack(stub, placement)
        return tool.network_problem(settings, client)


@pytest.mark.parametrize(
    ("network", "deployed", "told"),
    [
        (EXISTING, OWN, "sets existing vpc-0a1b2c3d"),
        ({"vpc": "own"}, "existing vpc-0a1b2c3d: endpoint", "sets own 10.0.0.0/20 in first zones"),
        ({"vpc": "own", "address_range": "10.1.0.0/20"}, OWN, "sets own 10.1.0.0/20 in first"),
        ({"vpc": "own", "placed": ("endpoint",)}, OWN, "without training and functions"),
    ],
)
def test_what_is_in_use_is_not_changed_in_place(
    network: dict[str, Any], deployed: str, told: str
) -> None:
    found = problem(dev(**network), deployed)
    assert found is not None
    assert found.startswith(f"The network of the stage is {deployed}, and config/dev.toml ")
    assert told in found
    assert 'network.vpc = "none"' in found
    assert f"delete the stack {STACK}" in found


@pytest.mark.parametrize(
    ("network", "deployed"),
    [
        ({"vpc": "own"}, None),
        ({"vpc": "own"}, OWN),
        ({"vpc": "own"}, "own 10.0.0.0/20 in first zones: training"),
        (EXISTING | {"placed": ("training",)}, "existing vpc-0a1b2c3d: training"),
    ],
)
def test_the_rest_is(network: dict[str, Any], deployed: str | None) -> None:
    assert problem(dev(**network), deployed) is None


def test_a_stage_without_a_network_is_not_checked() -> None:
    client = stubbed_client("cloudformation")
    with Stubber(client):
        assert tool.network_problem(dev(), client) is None


def test_make_deploy_refuses_before_anything_is_deployed() -> None:
    with session(bootstrapped=True) as account:
        add_stack(account.stubs["cloudformation"], OWN)
        with pytest.raises(ToolError, match=r"cannot be deployed yet:\n.*The network of the stage"):
            check_account(dev(**EXISTING), account, None)


@pytest.mark.parametrize(
    ("network", "deployed", "noted"),
    [({}, OWN, True), ({}, None, False)],
)
def test_a_network_that_nothing_uses_any_more_is_noted(
    network: dict[str, Any], deployed: str | None, noted: bool
) -> None:
    client = stubbed_client("cloudformation")
    with Stubber(client) as stub:
        add_stack(stub, deployed)
        note = tool.unused_network_note(dev(**network), client, "eu-west-1")
    assert (note is not None) is noted
    command = f"aws cloudformation delete-stack --stack-name {STACK} --region eu-west-1"
    assert command in (note or command)


def test_a_network_in_use_is_not_noted() -> None:
    client = stubbed_client("cloudformation")
    with Stubber(client):
        assert tool.unused_network_note(dev(vpc="own"), client, "eu-west-1") is None


def interface(name: str, group: str, kind: str = "interface") -> dict[str, Any]:
    return {
        "NetworkInterfaceId": name,
        "InterfaceType": kind,
        "Groups": [{"GroupId": group, "GroupName": "g"}],
    }


OTHERS = [interface("eni-9", "sg-9"), interface("eni-8", "sg-1", "vpc_endpoint")]


@pytest.mark.parametrize("kinds", [["lambda"], ["interface"], ["lambda", "interface"]])
def test_it_waits_for_the_interfaces_of_functions_and_endpoints(
    monkeypatch: pytest.MonkeyPatch, kinds: list[str]
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    cloudformation, ec2 = stubbed_client("cloudformation"), stubbed_client("ec2")
    with Stubber(cloudformation) as stacks, Stubber(ec2) as networks:
        add_groups(stacks)
        of_stage = [interface(f"eni-{each}", "sg-1", each) for each in kinds]
        for left in (of_stage, of_stage[:1], []):
            networks.add_response(
                "describe_network_interfaces",
                {"NetworkInterfaces": [*OTHERS, *left]},
                {"Filters": [{"Name": "group-id", "Values": ["sg-1", "sg-2"]}]},
            )
        tool.wait_until_unused(cloudformation, ec2, STACK)
        networks.assert_no_pending_responses()
    assert len(waited) == 2


def test_interfaces_that_stay_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(tool, "_MAX_POLLS", 3)
    cloudformation, ec2 = stubbed_client("cloudformation"), stubbed_client("ec2")
    with Stubber(cloudformation) as stacks, Stubber(ec2) as networks:
        add_groups(stacks)
        for _ in range(3):
            networks.add_response(
                "describe_network_interfaces",
                {"NetworkInterfaces": [*OTHERS, interface("eni-1", "sg-2")]},
            )
        with pytest.raises(ToolError, match=r"The network interfaces eni-1 are still in the netw"):
            tool.wait_until_unused(cloudformation, ec2, STACK)


def add_groups(stub: Stubber) -> None:
    kinds = {"sg-1": "SecurityGroup", "sg-2": "SecurityGroup", "vpc-1": "VPC"}
    stub.add_response(
        "list_stack_resources",
        {
            "StackResourceSummaries": [
                {
                    "ResourceType": f"AWS::EC2::{kind}",
                    "PhysicalResourceId": id_,
                    "LogicalResourceId": "L",
                    "LastUpdatedTimestamp": 0,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for id_, kind in kinds.items()
            ]
        },
        {"StackName": STACK},
    )
