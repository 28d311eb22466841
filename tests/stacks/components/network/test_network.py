"""The network of a stage: its own one, or an existing one, and what runs in it."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    PURPOSES,
    Assembly,
    Json,
    allowed_actions,
    flatten,
    statement_allowing,
    statements_for_role,
    walk,
    with_serving,
)
from tests.stacks.conftest import Synthesize

SUBNETS = ("subnet-0a1b2c3d", "subnet-1a1b2c3d", "subnet-2a1b2c3d")
EXISTING = {"vpc": "existing", "vpc_id": "vpc-0a1b2c3d", "subnet_ids": SUBNETS}
S3_LIST = "pl-0a1b2c3d"
KIND = re.compile(r":(subnet|security-group|network-interface)/")
ANYWHERE = {"0.0.0.0/0", "::/0"}
# The parts of a stage and the stacks of their roles.
ROLES = {"endpoint": "serving", "training": "training", "functions": "api"}


def with_network(settings: StageSettings, **changes: Any) -> StageSettings:
    return with_changes(settings, network=with_changes(settings.network, **changes))


@pytest.fixture
def own(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    return synthesize_with(with_network(dev_settings, vpc="own"))


@pytest.fixture
def existing(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    return synthesize_with(with_network(dev_settings, **EXISTING, s3_prefix_list_id=S3_LIST))


def of_type(assembly: Assembly, type_: str) -> dict[str, Json]:
    found = assembly.resources("network", f"AWS::EC2::{type_}")
    return {each.logical_id: each.properties for each in found}


def groups(assembly: Assembly) -> dict[str, Json]:
    return {
        name.removeprefix("SecurityGroups")[:-8]: properties
        for name, properties in of_type(assembly, "SecurityGroup").items()
    }


def group_id(assembly: Assembly, name: str) -> Json:
    (found,) = (
        each
        for each in of_type(assembly, "SecurityGroup")
        if each.startswith(f"SecurityGroups{name}")
    )
    return {"Fn::GetAtt": [found, "GroupId"]}


def configurations(assembly: Assembly) -> dict[str, list[Json]]:
    """Return where the endpoint, jobs and functions run."""
    definition = flatten(
        assembly.resource("training", "AWS::StepFunctions::StateMachine").properties[
            "DefinitionString"
        ]
    )
    jobs = [
        each["VpcConfig"]
        for each in walk(json.loads(definition))
        if isinstance(each, dict) and "VpcConfig" in each
    ]
    models = [
        assembly.resource(purpose, "AWS::SageMaker::Model").properties
        for purpose in ("serving", "batch")
    ]
    functions = [
        each.properties["VpcConfig"]
        for each in assembly.resources("api", "AWS::Lambda::Function")
        if "VpcConfig" in each.properties
    ]
    return {
        "endpoint": [model["VpcConfig"] for model in models if "VpcConfig" in model],
        "training": jobs,
        "functions": functions,
    }


def endpoints(assembly: Assembly) -> dict[str, Json]:
    return {
        flatten(properties["ServiceName"]): properties
        for properties in of_type(assembly, "VPCEndpoint").values()
    }


def test_no_stage_has_a_network_by_default(assembly: Assembly) -> None:
    assert not list(assembly.directory.glob("*-network.template.json"))
    assert configurations(assembly) == {"endpoint": [], "training": [], "functions": []}
    text = json.dumps(
        [each for purpose in PURPOSES for each in assembly.resources(purpose, "AWS::IAM::Policy")],
        default=vars,
    )
    assert "NetworkInterface" not in text


def test_its_own_network_has_no_way_to_the_internet(own: Assembly) -> None:
    types = {each["Type"] for each in own.template("network")["Resources"].values()}
    assert {each for each in types if "Gateway" in each or each.endswith("::Route")} == set()
    (vpc,) = of_type(own, "VPC").values()
    assert (vpc["EnableDnsSupport"], vpc["EnableDnsHostnames"]) == (True, True)
    subnets = [*of_type(own, "Subnet").values()]
    assert [each["MapPublicIpOnLaunch"] for each in subnets] == [False, False]
    assert [each["AvailabilityZone"] for each in subnets] == [
        {"Fn::Select": [index, {"Fn::GetAZs": ""}]} for index in (0, 1)
    ]
    assert [each["CidrBlock"] for each in subnets] == ["10.0.0.0/22", "10.0.4.0/22"]
    tables = [each["RouteTableId"] for each in of_type(own, "SubnetRouteTableAssociation").values()]
    assert tables[0] == tables[1]


def test_zones_and_range_are_set(dev_settings: StageSettings, synthesize_with: Synthesize) -> None:
    zones = ("us-east-1b", "us-east-1c", "us-east-1d")
    settings = with_network(
        dev_settings, vpc="own", availability_zones=zones, address_range="172.16.8.0/24"
    )
    subnets = [*of_type(synthesize_with(settings), "Subnet").values()]
    assert [each["AvailabilityZone"] for each in subnets] == [*zones]
    assert [each["CidrBlock"] for each in subnets] == [
        f"172.16.8.{first}/26" for first in (0, 64, 128)
    ]


def test_its_traffic_is_logged_and_the_log_is_encrypted(own: Assembly) -> None:
    (log,) = of_type(own, "FlowLog").values()
    (vpc,) = of_type(own, "VPC")
    assert (log["ResourceId"], log["TrafficType"]) == ({"Fn::GetAtt": [vpc, "VpcId"]}, "ALL")
    group = own.resource("network", "AWS::Logs::LogGroup")
    assert log["LogGroupName"] == {"Ref": group.logical_id}
    assert group.properties["RetentionInDays"] == own.settings.log_retention_days
    assert "KmsKeyId" in group.properties
    role = own.resource("network", "AWS::IAM::Role")
    (statement,) = statements_for_role(own, "network", role.logical_id)
    assert statement["Resource"] == [{"Fn::GetAtt": [group.logical_id, "Arn"]}]
    (trust,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert "aws:SourceAccount" in trust["Condition"]["StringEquals"]


def test_services_are_reached_by_endpoints_for_what_the_stage_does(own: Assembly) -> None:
    """For its endpoint, its parameter and its buckets, by principals of the account."""
    found = endpoints(own)
    allowed = {
        name.removeprefix("com.amazonaws.<AWS::Region>."): {
            action: [flatten(each) for each in statement["Resource"]]
            for statement in statements(properties)
            for action in statement["Action"]
        }
        for name, properties in found.items()
    }
    place = "<AWS::Region>:<AWS::AccountId>"
    endpoint = f"arn:<AWS::Partition>:sagemaker:{place}:endpoint/whippet-dev"
    parameter = f"arn:<AWS::Partition>:ssm:{place}:parameter/whippet/dev/paused"
    s3 = allowed.pop("s3")
    assert allowed == {
        "sagemaker.runtime": {"sagemaker:InvokeEndpoint": [endpoint]},
        "sagemaker.api": {"sagemaker:DescribeEndpoint": [endpoint]},
        "ssm": {"ssm:GetParameter": [parameter]},
        "xray": {"xray:PutTelemetryRecords": ["*"], "xray:PutTraceSegments": ["*"]},
    }
    assert s3.keys() == {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
    for name in ("Datasets", "Models", "Captures"):
        assert sum(f"Buckets{name}" in each for each in s3["s3:GetObject"]) == 1
    assets = "cdk-hnb659fds-assets-<AWS::AccountId>-<AWS::Region>"
    objects = [each.partition(":s3:::")[2] for each in s3["s3:GetObject"] if "assets" in each]
    assert sorted(objects) == [f"{assets}/whippet-dev-training/*", f"{assets}/whippet-dev/*"]
    for properties in found.values():
        for statement in statements(properties):
            assert statement["Condition"] == {
                "StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}
            }


def statements(endpoint: Mapping[str, Any]) -> list[Json]:
    found = []
    for statement in endpoint["PolicyDocument"]["Statement"]:
        lists = {
            key: value if isinstance(value := statement[key], list) else [value]
            for key in ("Action", "Resource")
        }
        found.append({**statement, **lists})
    return found


def test_a_functions_policies_are_within_the_endpoints_policies(own: Assembly) -> None:
    through = allowed_actions([each for one in endpoints(own).values() for each in statements(one)])
    roles = [
        each.logical_id
        for each in own.resources("api", "AWS::IAM::Role")
        if each.logical_id.startswith(("Proxy", "Health"))
    ]
    assert len(roles) == 2
    for role in roles:
        actions = allowed_actions(statements_for_role(own, "api", role))
        # Lambda writes the logs and makes the interfaces by its own network.
        own_network = {each for each in actions if each.startswith(("ec2:", "logs:"))}
        assert actions - own_network <= through


@pytest.mark.parametrize("placed", [("functions",), ("endpoint", "functions"), ("endpoint",)])
@pytest.mark.parametrize("enabled", [True, False])
def test_functions_reach_s3_only_for_uploads(
    dev_settings: StageSettings,
    synthesize_with: Synthesize,
    placed: tuple[str, ...],
    enabled: bool,
) -> None:
    api = with_changes(dev_settings.api, uploads_enabled=enabled)
    settings = with_network(
        with_changes(dev_settings, api=api), vpc="own", placed=placed, s3_prefix_list_id=S3_LIST
    )
    assembly = synthesize_with(settings)
    used = enabled and "functions" in placed
    gateway = endpoints(assembly).get("com.amazonaws.<AWS::Region>.s3")
    assert (gateway is not None) is (used or "endpoint" in placed)
    of_uploads = [
        (*each["Action"], *map(flatten, each["Resource"]))
        for each in statements(gateway or {"PolicyDocument": {"Statement": []}})
        if "s3:DeleteObject" in each["Action"]
    ]
    assert len(of_uploads) == used
    for *actions, resource in of_uploads:
        assert actions == ["s3:DeleteObject", "s3:GetObject"]
        assert "Uploads" in resource
    if "functions" in placed:
        rules = groups(assembly)["Functions"]["SecurityGroupEgress"]
        lists = [each.get("DestinationPrefixListId") for each in rules]
        assert lists == [None, *([S3_LIST] if used else [])]


def test_interface_endpoints_are_in_every_subnet_and_take_the_services_names(
    own: Assembly,
) -> None:
    subnets = [{"Fn::GetAtt": [each, "SubnetId"]} for each in of_type(own, "Subnet")]
    kinds = [each["VpcEndpointType"] for each in endpoints(own).values()]
    assert sorted(kinds) == ["Gateway", *["Interface"] * 4]
    for properties in endpoints(own).values():
        if properties["VpcEndpointType"] == "Interface":
            assert properties["SubnetIds"] == subnets
            assert properties["PrivateDnsEnabled"] is True
            assert properties["SecurityGroupIds"] == [group_id(own, "Interfaces")]
        else:
            (table,) = of_type(own, "RouteTable")
            assert properties["RouteTableIds"] == [{"Fn::GetAtt": [table, "RouteTableId"]}]


def test_functions_connect_to_the_endpoints_only(own: Assembly) -> None:
    (rule,) = groups(own)["Functions"]["SecurityGroupEgress"]
    assert rule["DestinationSecurityGroupId"] == group_id(own, "Interfaces")
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443)
    (into,) = (
        each
        for each in of_type(own, "SecurityGroupIngress").values()
        if each["GroupId"] == group_id(own, "Interfaces")
    )
    assert into["SourceSecurityGroupId"] == group_id(own, "Functions")
    assert (into["IpProtocol"], into["FromPort"], into["ToPort"]) == ("tcp", 443, 443)
    (nothing,) = groups(own)["Interfaces"]["SecurityGroupEgress"]
    assert nothing["CidrIp"] == "255.255.255.255/32"


def test_the_machines_of_jobs_reach_each_other_and_nobody_else_reaches_anything(
    own: Assembly, existing: Assembly
) -> None:
    for assembly in (own, existing):
        member = group_id(assembly, "Training")
        assert [
            each["SourceSecurityGroupId"]
            for each in of_type(assembly, "SecurityGroupIngress").values()
            if each["GroupId"] == member
        ] == [member]
        (out,) = of_type(assembly, "SecurityGroupEgress").values()
        assert (out["GroupId"], out["DestinationSecurityGroupId"]) == (member, member)
        assert all(not each["SecurityGroupIngress"] for each in groups(assembly).values())


@pytest.mark.parametrize("name", ["Endpoint", "Training"])
def test_containers_connect_to_s3_only_where_its_addresses_are_known(
    own: Assembly, existing: Assembly, name: str
) -> None:
    (rule,) = groups(existing)[name]["SecurityGroupEgress"]
    assert rule["DestinationPrefixListId"] == S3_LIST
    # In the network of its own there is no way to any other address.
    rules = groups(own)[name]["SecurityGroupEgress"]
    assert {each.get("CidrIp") or each["CidrIpv6"] for each in rules} == ANYWHERE
    assert {each["FromPort"] for each in rules} == {443}


def test_an_existing_network_gets_security_groups_alone(existing: Assembly) -> None:
    types = {each["Type"] for each in existing.template("network")["Resources"].values()}
    assert types == {f"AWS::EC2::SecurityGroup{kind}" for kind in ("", "Ingress", "Egress")}
    assert {each["VpcId"] for each in groups(existing).values()} == {"vpc-0a1b2c3d"}
    rules = groups(existing)["Functions"]["SecurityGroupEgress"]
    assert {each.get("CidrIp") or each["CidrIpv6"] for each in rules} == ANYWHERE


def test_endpoint_jobs_and_functions_run_there(own: Assembly, existing: Assembly) -> None:
    for assembly, count in ((own, 2), (existing, 3)):
        found = configurations(assembly)
        # The endpoint and batch jobs; a training job and those of a tuning job; the proxy and the
        # health check.
        assert {part: len(each) for part, each in found.items()} == {
            "endpoint": 2,
            "training": 2,
            "functions": 2,
        }
        for part, each in found.items():
            for configuration in each:
                subnets = configuration.get("SubnetIds") or configuration["Subnets"]
                assert len({json.dumps(subnet) for subnet in subnets}) == count
                (group,) = configuration["SecurityGroupIds"]
                assert f"SecurityGroups{part.title()}" in json.dumps(group)
    for of_model in configurations(existing)["endpoint"]:
        assert of_model["Subnets"] == [*SUBNETS]


@pytest.mark.parametrize("purpose", ["serving", "batch"])
def test_the_container_stays_isolated(own: Assembly, purpose: str) -> None:
    model = own.resource(purpose, "AWS::SageMaker::Model").properties
    assert model["EnableNetworkIsolation"] is True


@pytest.mark.parametrize("part", [*ROLES])
def test_one_part_alone_is_placed(
    dev_settings: StageSettings, synthesize_with: Synthesize, part: str
) -> None:
    settings = with_network(dev_settings, vpc="own", placed=(part,))
    if part == "functions":
        settings = with_serving(settings, mode="serverless")
    assembly = synthesize_with(settings)
    found = configurations(assembly)
    assert [name for name, each in found.items() if each] == [part]
    services = {name.rpartition(".")[2] for name in endpoints(assembly)}
    assert services == ({"runtime", "api", "ssm", "xray"} if part == "functions" else {"s3"})
    names = {part.title()} | ({"Interfaces"} if part == "functions" else set())
    assert groups(assembly).keys() == names
    for name, purpose in ROLES.items():
        text = json.dumps(assembly.template(purpose))
        assert ("ec2:CreateNetworkInterface" in text) is (name == part)


def role_of(assembly: Assembly, purpose: str, start: str) -> list[Json]:
    (role,) = (
        each.logical_id
        for each in assembly.resources(purpose, "AWS::IAM::Role")
        if each.logical_id.startswith(start)
    )
    return statements_for_role(assembly, purpose, role)


@pytest.mark.parametrize("purpose", ["serving", "batch", "training"])
def test_sagemaker_may_make_interfaces_in_the_subnets_only(
    own: Assembly, existing: Assembly, purpose: str
) -> None:
    for assembly in (own, existing):
        found = role_of(assembly, purpose, "ExecutionRole")
        created = statement_allowing(found, "ec2:CreateNetworkInterface")
        resources = [flatten(each) for each in created["Resource"]]
        assert created["Action"] == ["ec2:CreateNetworkInterface"]
        kinds = sorted(KIND.findall(each) for each in resources)
        subnet_count = 2 if assembly is own else 3
        assert kinds == [["network-interface"], ["security-group"], *[["subnet"]] * subnet_count]
        # A subnet of another account may be shared with this one; its own are in this one.
        foreign = [each for each in resources if ":*:subnet/" in each]
        assert len(foreign) == (0 if assembly is own else len(SUBNETS))
        wide = [each for each in found if "*" in each["Resource"]]
        actions = {action for each in wide for action in each["Action"]}
        assert all(each.startswith("ec2:Describe") for each in actions if each.startswith("ec2:"))


@pytest.mark.parametrize("function", ["Proxy", "Health"])
def test_the_functions_code_may_not_use_the_permissions_for_interfaces(
    own: Assembly, function: str
) -> None:
    found = role_of(own, "api", f"{function}Role")
    allowed = {
        action
        for each in found
        for action in each["Action"]
        if each["Effect"] == "Allow" and action.startswith("ec2:")
    }
    (denied,) = (each for each in found if each["Effect"] == "Deny")
    assert {*denied["Action"]} == allowed
    assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}
    assert denied["Resource"] == ["*"]


def test_the_network_is_made_before_what_runs_in_it(own: Assembly) -> None:
    for purpose in ("training", "serving", "api"):
        assert "whippet-dev-network" in own.manifest(purpose)["dependencies"]
    assert "whippet-dev-network" not in own.manifest("web")["dependencies"]
