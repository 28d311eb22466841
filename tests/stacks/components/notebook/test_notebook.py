"""The notebook instance of a stage, its role and its script."""

from typing import Any

import pytest
from cfnlint.schema.manager import (  # type: ignore[import-untyped] # has no types
    ProviderSchemaManager,
)

from stacks.components.notebook.start_script import start_script
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    Assembly,
    Json,
    allowed_actions,
    flatten,
    statement_allowing,
    statements_for_role,
)
from tests.stacks.conftest import Synthesize

INSTANCE = "AWS::SageMaker::NotebookInstance"
NETWORK: Json = {"vpc_id": "vpc-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d"}
MAX_SCRIPT_CHARACTERS = 16_384  # in base64


def with_notebook(settings: StageSettings, **changes: Any) -> StageSettings:
    return with_changes(settings, notebook=with_changes(settings.notebook, enabled=True, **changes))


@pytest.fixture
def notebook(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    return synthesize_with(with_notebook(dev_settings, **NETWORK))


def properties(assembly: Assembly) -> Json:
    return assembly.resource("training", INSTANCE).properties


def role_statements(assembly: Assembly) -> list[Json]:
    (role,) = (
        each.logical_id
        for each in assembly.resources("training", "AWS::IAM::Role")
        if each.logical_id.startswith("Notebook")
    )
    return statements_for_role(assembly, "training", role)


def test_no_stage_has_one_by_default(assembly: Assembly) -> None:
    assert assembly.resources("training", INSTANCE) == []


def test_its_platform_is_the_newest_of_cloudformations_schema(notebook: Assembly) -> None:
    schema = ProviderSchemaManager().get_resource_schema("us-east-1", INSTANCE).schema
    platforms = schema["properties"]["PlatformIdentifier"]["pattern"].strip("^()$").split("|")
    assert properties(notebook)["PlatformIdentifier"] == platforms[-1]
    assert "al2023" in platforms[-1]


def test_it_is_closed(notebook: Assembly) -> None:
    found = properties(notebook)
    assert found["RootAccess"] == "Disabled"
    assert found["DirectInternetAccess"] == "Disabled"
    assert found["InstanceMetadataServiceConfiguration"] == {
        "MinimumInstanceMetadataServiceVersion": "2"
    }
    assert "KmsKeyId" in found
    group = notebook.resource("training", "AWS::EC2::SecurityGroup")
    assert group.properties.get("SecurityGroupIngress", []) == []
    assert found["SecurityGroupIds"] == [{"Fn::GetAtt": [group.logical_id, "GroupId"]}]
    assert found["SubnetId"] == "subnet-0a1b2c3d"


def test_the_internet_is_reached_only_where_the_setting_says_so(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    online = synthesize_with(with_notebook(dev_settings, direct_internet_access=True))
    assert properties(online)["DirectInternetAccess"] == "Enabled"
    assert "SubnetId" not in properties(online)
    assert online.resources("training", "AWS::EC2::SecurityGroup") == []


def test_it_waits_for_its_permissions(notebook: Assembly) -> None:
    instance = notebook.resource("training", INSTANCE).body
    policies = {
        each.logical_id
        for each in notebook.resources("training", "AWS::IAM::Policy")
        if "Notebook" in each.logical_id and "Stop" not in each.logical_id
    }
    assert policies <= set(instance["DependsOn"])


def test_its_user_neither_approves_nor_deploys(notebook: Assembly) -> None:
    actions = allowed_actions(role_statements(notebook))
    assert "states:StartExecution" in actions
    assert "sagemaker:InvokeEndpoint" in actions
    refused = ("sagemaker:Update", "sagemaker:Create", "sagemaker:Delete", "iam:", "s3:Put")
    assert [each for each in actions if each.startswith(refused) or each.endswith("*")] == []


def test_it_may_stop_itself_alone(notebook: Assembly) -> None:
    stop = statement_allowing(role_statements(notebook), "sagemaker:StopNotebookInstance")
    # The ARN as SageMaker writes it, in lower case, and with the name as CloudFormation made it.
    arn, named = sorted(map(flatten, stop["Resource"]), key=len)
    name = notebook.resource("training", INSTANCE).logical_id
    assert arn == f"<{name}>"
    assert named.endswith(f":notebook-instance/<{name}.NotebookInstanceName>")


def test_its_script_stops_it_when_it_is_idle(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_notebook(dev_settings, idle_stop_minutes=45, **NETWORK))
    configuration = assembly.resource("training", "AWS::SageMaker::NotebookInstanceLifecycleConfig")
    (hook,) = configuration.properties["OnStart"]
    script = flatten(hook["Content"]["Fn::Base64"])
    assert script == start_script(45)
    assert script.rstrip().endswith("/opt/whippet/idle_stop.py 45")
    assert len(script.encode()) * 4 / 3 < MAX_SCRIPT_CHARACTERS
    attribute = {"Fn::GetAtt": [configuration.logical_id, "NotebookInstanceLifecycleConfigName"]}
    assert properties(assembly)["LifecycleConfigName"] == attribute
