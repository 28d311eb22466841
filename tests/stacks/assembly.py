"""Synthesizes in this process, and finds resources in the result."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from stacks.application import add_stacks
from stacks.inputs import Inputs
from stacks.settings.api import ApiSettings, ConcurrencySchedule
from stacks.settings.capacity_schedule import CapacitySchedule
from stacks.settings.serverless_schedule import ServerlessConcurrencySchedule
from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.node_process import WRONG_ACCOUNT, WRONG_REGION

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "config"
FEATURE_FLAGS: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
PREBUILT_IMAGE = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/team/whippet:1.4.0"
PURPOSES = ("storage", "training", "serving", "batch", "api", "web", "monitoring")

Json = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """One resource of a template."""

    logical_id: str
    body: Json

    @property
    def properties(self) -> Json:
        properties: Json = self.body.get("Properties", {})
        return properties


@dataclass(frozen=True)
class Assembly:
    """A synthesized app."""

    directory: Path
    settings: StageSettings

    def template(self, purpose: str) -> Json:
        name = f"{self.settings.name}-{purpose}.template.json"
        template: Json = json.loads((self.directory / name).read_text())
        return template

    def templates(self) -> dict[str, Json]:
        return {purpose: self.template(purpose) for purpose in PURPOSES}

    def manifest(self, purpose: str) -> Json:
        artifacts = json.loads((self.directory / "manifest.json").read_text())["artifacts"]
        artifact: Json = artifacts[f"{self.settings.name}-{purpose}"]
        return artifact

    def assets(self, purpose: str) -> Json:
        name = f"{self.settings.name}-{purpose}.assets.json"
        assets: Json = json.loads((self.directory / name).read_text())
        return assets

    def resources(self, purpose: str, type_: str) -> list[Resource]:
        found = self.template(purpose)["Resources"].items()
        return [Resource(name, body) for name, body in found if body["Type"] == type_]

    def resource(self, purpose: str, type_: str) -> Resource:
        (only,) = self.resources(purpose, type_)
        return only

    def everywhere(self, type_: str) -> list[Resource]:
        return [found for purpose in PURPOSES for found in self.resources(purpose, type_)]


def new_app(directory: Path) -> App:
    return App(context=FEATURE_FLAGS, analytics_reporting=False, outdir=str(directory))


def synthesize(settings: StageSettings, inputs: Inputs, directory: Path) -> Assembly:
    """Synthesize; the environment's account and region must not affect the result."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CDK_DEFAULT_ACCOUNT", WRONG_ACCOUNT)
        environment.setenv("CDK_DEFAULT_REGION", WRONG_REGION)
        app = new_app(directory)
        add_stacks(app, settings=settings, inputs=inputs)
        app.synth()
    return Assembly(directory, settings)


def with_serving(settings: StageSettings, **changes: Any) -> StageSettings:
    """Return a stage's settings with changes in [serving]."""
    return with_changes(settings, serving=with_changes(settings.serving, **changes))


def every_serverless_setting() -> Json:
    """Return the settings of a serverless endpoint, with a schedule of its warm containers."""
    entry = ServerlessConcurrencySchedule(
        cron="0 7 * * ? *", time_zone="UTC", provisioned_concurrency=2
    )
    return {
        "mode": "serverless",
        "serverless_provisioned_concurrency": 1,
        "serverless_provisioned_concurrency_schedule": (entry,),
    }


def with_every_scaling_setting(serving: ServingSettings) -> ServingSettings:
    """Return the settings with the other target, and a schedule of the bounds."""
    entry = CapacitySchedule(
        cron="0 7 * * ? *", time_zone="UTC", min_instance_count=2, max_instance_count=4
    )
    return with_changes(serving, scaling_target="concurrent_requests", capacity_schedule=(entry,))


def with_every_api_setting(api: ApiSettings) -> ApiSettings:
    """Return the settings with every option that adds a resource to the API."""
    entry = ConcurrencySchedule(cron="0 7 * * ? *", time_zone="UTC", provisioned_concurrency=4)
    return with_changes(
        api,
        cors_allowed_origin="https://app.example.com",
        firewall_enabled=True,
        provisioned_concurrency=2,
        provisioned_concurrency_schedule=(entry,),
        reserved_concurrency=10,
        allowed_address_ranges=("203.0.113.0/24",),
        url_hosts=("images.example.com",),
        uploads_enabled=True,
    )


def statements_of(policy_holder: Resource) -> list[Json]:
    """Return the statements of a policy, with actions and resources as lists."""
    properties = policy_holder.properties
    document = properties.get("PolicyDocument") or properties.get("KeyPolicy")
    assert document is not None
    return [
        {**statement, **{key: _as_list(statement[key]) for key in ("Action", "Resource")}}
        for statement in document["Statement"]
    ]


def role_of(assembly: Assembly, purpose: str, service: str) -> str:
    """Return the logical id of the one role of a stack that a service assumes.

    Args:
        assembly: the app.
        purpose: the role's stack.
        service: such as sagemaker.amazonaws.com.
    """
    (role,) = (
        each.logical_id
        for each in assembly.resources(purpose, "AWS::IAM::Role")
        if each.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        == {"Service": service}
    )
    return role


def statements_for_role(assembly: Assembly, purpose: str, role_id: str) -> list[Json]:
    """Return every statement of the inline and managed policies that a role has.

    Args:
        assembly: the app.
        purpose: the role's stack.
        role_id: the role's logical id.
    """
    found = []
    for policy in assembly.resources(purpose, "AWS::IAM::Policy"):
        if {"Ref": role_id} in policy.properties["Roles"]:
            found += statements_of(policy)
    (role,) = (
        each for each in assembly.resources(purpose, "AWS::IAM::Role") if each.logical_id == role_id
    )
    outputs = assembly.template("storage").get("Outputs", {})
    managed = {each.logical_id: each for each in assembly.everywhere("AWS::IAM::ManagedPolicy")}
    for arn in role.properties.get("ManagedPolicyArns", []):
        output = arn.get("Fn::GetStackOutput")
        if output:
            found += statements_of(managed[outputs[output["OutputName"]]["Value"]["Ref"]])
    return found


def allowed_actions(statements: list[Json]) -> set[str]:
    return {action for statement in statements for action in statement["Action"]}


def statement_allowing(statements: list[Json], action: str) -> Json:
    (only,) = (each for each in statements if action in each["Action"])
    return only


def flatten(value: Any) -> str:
    """Return an intrinsic value as a readable string: `<Ref>`, `<Resource.Attribute>`."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(flatten(part) for part in parts)
    if "Fn::Sub" in value:
        return str(value["Fn::Sub"]).replace("${", "<").replace("}", ">")
    if "Fn::GetStackOutput" in value:
        output = value["Fn::GetStackOutput"]
        return f"<{output['StackName']}:{output['OutputName']}>"
    if "Ref" in value:
        return f"<{value['Ref']}>"
    if "Fn::GetAtt" in value:
        return f"<{'.'.join(value['Fn::GetAtt'])}>"
    if "Fn::Select" in value:
        index, parts = value["Fn::Select"]
        return f"<part {index} of {flatten(parts['Fn::Split'][1])}>"
    if "Fn::FindInMap" in value:
        return f"<{value['Fn::FindInMap'][0]}>"
    raise ValueError(f"no readable form for {value}")


def walk(value: Any) -> Iterator[Any]:
    """Yield a JSON value and everything inside it."""
    yield value
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from walk(item)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
