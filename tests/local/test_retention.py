"""Resources that are retained: until when, and how they are imported or deleted afterwards."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment.resource_import import ExistingResource, import_resource
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
Json = dict[str, Any]
QUICK = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture
def name(client: Client) -> Iterator[str]:
    """The name of a stack, a bucket and a group; what a test retains is deleted."""
    name = f"made-by-tests-{uuid.uuid4().hex[:8]}"
    yield name
    if name in groups(client):
        client("sagemaker").delete_model_package_group(ModelPackageGroupName=name)
    if name in buckets(client):
        client("s3").delete_bucket(Bucket=name)


def retained(type_: str, **properties: str) -> Json:
    policies = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
    return {"Type": type_, "Properties": properties, **policies}


def create_stack(client: Client, name: str, *, broken: bool) -> None:
    resources = {
        "Bucket": retained("AWS::S3::Bucket", BucketName=name),
        "Group": retained("AWS::SageMaker::ModelPackageGroup", ModelPackageGroupName=name),
    }
    if broken:
        configuration = {"EndpointName": name, "EndpointConfigName": "missing"}
        resources["Endpoint"] = {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": configuration,
            "DependsOn": ["Bucket", "Group"],
        }
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=QUICK)


def delete_stack(client: Client, name: str) -> None:
    client("cloudformation").delete_stack(StackName=name)
    client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig=QUICK
    )


def buckets(client: Client) -> list[str]:
    return [each["Name"] for each in client("s3").list_buckets()["Buckets"]]


def groups(client: Client) -> list[str]:
    listed = client("sagemaker").list_model_package_groups()["ModelPackageGroupSummaryList"]
    return [each["ModelPackageGroupName"] for each in listed]


def test_a_failed_creation_leaves_nothing_behind(client: Client, name: str) -> None:
    with pytest.raises(WaiterError, match="ROLLBACK"):
        create_stack(client, name, broken=True)
    events = client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    created = [each for each in events if each["ResourceStatus"] == "CREATE_COMPLETE"]
    assert {each["LogicalResourceId"] for each in created} == {"Bucket", "Group"}
    assert name not in buckets(client)
    assert name not in groups(client)
    delete_stack(client, name)


def test_what_was_created_stays_when_the_stack_is_deleted(client: Client, name: str) -> None:
    create_stack(client, name, broken=False)
    delete_stack(client, name)
    assert name in buckets(client)
    assert name in groups(client)


def log_group(name: str) -> ExistingResource:
    return ExistingResource(
        logical_id="Logs",
        type="AWS::Logs::LogGroup",
        identifier={"LogGroupName": name},
        properties={"LogGroupName": name},
        deletion_policy="Delete",
    )


def resources_of(client: Client, stack: str) -> dict[str, str]:
    described = client("cloudformation").describe_stack_resources(StackName=stack)
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for each in described["StackResources"]
    }


def test_a_log_group_is_imported_into_a_stack_that_stays_as_it_is(
    client: Client, name: str
) -> None:
    """As in the first deployment after the endpoint's log group has come into the template."""
    template = {
        "Parameters": {"Purpose": {"Type": "String", "Default": "none"}},
        "Resources": {
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"TopicName": name, "DisplayName": {"Ref": "Purpose"}},
            }
        },
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
    }
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "Purpose", "ParameterValue": "given"}],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=QUICK)
    before = resources_of(client, name)
    client("logs").create_log_group(logGroupName=name)
    import_resource(cloudformation, name, log_group(name))
    assert resources_of(client, name) == before | {"Logs": name}
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "IMPORT_COMPLETE"
    assert stack["Parameters"] == [{"ParameterKey": "Purpose", "ParameterValue": "given"}]
    with pytest.raises(ToolError, match="at least one new resource to import"):
        import_resource(cloudformation, name, log_group(name))
    delete_stack(client, name)
    assert client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []


def test_a_failed_import_can_be_repeated(client: Client, name: str) -> None:
    cloudformation = client("cloudformation")
    with pytest.raises(ToolError, match="was not found"):
        import_resource(cloudformation, name, log_group(name))
    client("logs").create_log_group(logGroupName=name)
    import_resource(cloudformation, name, log_group(name))
    assert resources_of(client, name) == {"Logs": name}
    delete_stack(client, name)


def test_an_import_replaces_a_stack_whose_creation_failed(client: Client, name: str) -> None:
    with pytest.raises(WaiterError, match="ROLLBACK_COMPLETE"):
        create_stack(client, name, broken=True)
    client("logs").create_log_group(logGroupName=name)
    import_resource(client("cloudformation"), name, log_group(name))
    assert resources_of(client, name) == {"Logs": name}
    delete_stack(client, name)


def run(deployment: LocalDeployment, tool: str, *arguments: str) -> str:
    """Run a tool for accounts against the local cloud; return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", f"tools.deployment.{tool}", *arguments],
        cwd=ROOT, env=os.environ | deployment.environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ended.stdout + ended.stderr


def test_a_group_that_a_destroyed_stage_retained_is_imported(
    client: Client, deployment: LocalDeployment
) -> None:
    group, stack = "whippet-dev", "whippet-dev-storage"
    tool = ("import_model_packages", "--stage", "dev")
    assert "Nothing to import: " in run(deployment, *tool)
    client("sagemaker").create_model_package_group(
        ModelPackageGroupName=group, ModelPackageGroupDescription="Of the stage dev"
    )
    assert "Now deploy: make deploy STAGE=dev" in run(deployment, *tool)
    assert resources_of(client, stack)["ModelPackageGroup"].endswith(f"/{group}")
    body = client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    # Without its description the next deployment would replace the group.
    assert body["Resources"]["ModelPackageGroup"]["Properties"] == {
        "ModelPackageGroupName": group,
        "ModelPackageGroupDescription": "Of the stage dev",
    }
    assert "Nothing to import: " in run(deployment, *tool)
    delete_stack(client, stack)
    assert group in groups(client), "it is retained"
    client("sagemaker").delete_model_package_group(ModelPackageGroupName=group)


def test_a_retained_bucket_is_deleted_with_every_version(
    client: Client, deployment: LocalDeployment, name: str
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"old", b"new"):
        s3.put_object(Bucket=name, Key="model.tar.gz", Body=body)
    tool = ("delete_bucket", name, "--region", deployment.environment["AWS_REGION"])
    assert "Nothing was deleted" in run(deployment, *tool)
    assert len(s3.list_object_versions(Bucket=name)["Versions"]) == 2
    run(deployment, *tool, "--yes")
    assert name not in buckets(client)
