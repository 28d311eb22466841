"""A resource with RetainExceptOnCreate: deleted if its creation fails, retained afterwards."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.stacks.assembly import Json

Client = Callable[[str], Any]
QUICK = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture
def name(client: Client) -> Iterator[str]:
    """The name of a stack, a bucket and a group; what a test retains is deleted."""
    name = f"made-by-tests-{uuid.uuid4().hex[:8]}"
    yield name
    if name in buckets(client):
        client("s3").delete_bucket(Bucket=name)
        client("sagemaker").delete_model_package_group(ModelPackageGroupName=name)


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
