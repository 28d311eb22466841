"""A stage in a network of its own, deployed to the local cloud."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.redeployment.retained import STAGE, Again

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def subnets(client: Client, again: Again) -> set[str]:  # noqa: ARG001 - it deploys
    """The subnets of the network of the last deployment."""
    found = client("ec2").describe_subnets()["Subnets"]
    of_stage = [each for each in found if each["CidrBlock"].startswith("10.0.")]
    (network,) = {each["VpcId"] for each in of_stage}
    assert len({each["AvailabilityZone"] for each in of_stage}) == 2
    gateways = client("ec2").describe_internet_gateways()["InternetGateways"]
    assert network not in [to["VpcId"] for each in gateways for to in each["Attachments"]]
    return {each["SubnetId"] for each in of_stage}


def test_the_model_runs_in_it(client: Client, subnets: set[str]) -> None:
    sagemaker = client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=STAGE)
    configuration = sagemaker.describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )
    (variant,) = configuration["ProductionVariants"]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    assert {*model["VpcConfig"]["Subnets"]} == subnets
    assert model["EnableNetworkIsolation"] is True


def test_jobs_will_run_in_it(client: Client, subnets: set[str]) -> None:
    resources = client("cloudformation").describe_stack_resources(StackName=f"{STAGE}-training")
    (machine,) = (
        each["PhysicalResourceId"]
        for each in resources["StackResources"]
        if each["ResourceType"] == "AWS::StepFunctions::StateMachine"
    )
    definition = client("stepfunctions").describe_state_machine(stateMachineArn=machine)[
        "definition"
    ]
    states = json.loads(definition)["States"].values()
    found = [each["Arguments"] for each in states if "RoleArn" in each.get("Arguments", {})]
    assert found
    assert all({*each["VpcConfig"]["Subnets"]} == subnets for each in found)


def test_services_are_reached_by_its_endpoints(client: Client, subnets: set[str]) -> None:
    endpoints = client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    names = sorted(each["ServiceName"].partition(".us-east-1.")[2] for each in endpoints)
    assert names == ["s3", "sagemaker.api", "sagemaker.runtime", "ssm", "xray"]
    interfaces = [each for each in endpoints if each["VpcEndpointType"] == "Interface"]
    assert all({*each["SubnetIds"]} == subnets for each in interfaces)
    found = client("ec2").describe_security_groups()["SecurityGroups"]
    groups = {each["GroupId"]: each for each in found}
    (interface_group,) = (
        each for each in found if each["Description"] == "Endpoints of AWS services"
    )
    (into,) = interface_group["IpPermissions"]
    (pair,) = into["UserIdGroupPairs"]
    assert groups[pair["GroupId"]]["Description"] == "Functions: HTTPS to endpoints"
    (log,) = client("ec2").describe_flow_logs()["FlowLogs"]
    assert log["TrafficType"] == "ALL"
