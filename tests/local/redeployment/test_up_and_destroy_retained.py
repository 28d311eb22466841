"""Deploy, destroy and deploy again, with a stage that retains its data."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stacks.importable import endpoint_log_group_name
from tests.local.api_requests import classify
from tests.local.conftest import run_tool, up
from tests.local.redeployment.own_model import copy_tree
from tests.local.test_api import GOOD
from tools.deployment.log_groups import import_endpoint_log_group
from tools.deployment.model_packages import import_group, remaining_group_problem
from tools.local.deployment import LocalDeployment, read_local_deployment

STAGE = "whippet-local"
LOG_GROUP = endpoint_log_group_name(STAGE)
OBJECT = {"Key": "training/model.tar.gz", "Body": b"weights"}
EVENT = "written before the second deployment"
# What a registered model needs; the image is not started.
INFERENCE = {
    "Containers": [{"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1"}],
    "SupportedContentTypes": ["image/jpeg"],
    "SupportedResponseMIMETypes": ["application/json"],
}


@dataclass(frozen=True)
class Again:
    """What was there between the two deployments, and the second one."""

    bucket: str
    package: str
    destroyed: str
    problem: str | None
    deployment: LocalDeployment


@pytest.fixture(scope="module")
def retaining(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree whose stage `local` retains its data."""
    clone = tmp_path_factory.mktemp("retaining") / "clone"
    copy_tree(clone, state)
    settings = clone / "config" / "local.toml"
    settings.write_text(f"retain_stateful_resources = true\n{settings.read_text()}")
    return clone


@pytest.fixture(scope="module")
def again(
    state: Path, client: Callable[[str], Any], retaining: Path, deployment: LocalDeployment
) -> Again:
    assert deployment.endpoint_name == STAGE
    up(state, folder=retaining)
    bucket = models_bucket(client)
    client("s3").put_object(Bucket=bucket, **OBJECT)
    package = client("sagemaker").create_model_package(
        ModelPackageGroupName=STAGE, InferenceSpecification=INFERENCE
    )["ModelPackageArn"]
    destroyed = run_tool(
        "tools.deployment.destroy", "--stage", "local", "--state-directory", str(state),
        folder=retaining,
    )  # fmt: skip
    listed = client("cloudformation").describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in listed] == ["CDKToolkit"]
    assert keys(client, bucket) == [OBJECT["Key"]], "the stage retains its data"
    policy = json.loads(client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    refused = [each["Condition"] for each in policy["Statement"] if each["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in refused, "only TLS, as before"

    # As SageMaker creates it: without a key and a retention.
    logs = client("logs")
    assert logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"] == []
    logs.create_log_group(logGroupName=LOG_GROUP)
    stream = {"logGroupName": LOG_GROUP, "logStreamName": "primary/i-1"}
    logs.create_log_stream(**stream)
    logs.put_log_events(
        **stream, logEvents=[{"timestamp": int(time.time() * 1000), "message": EVENT}]
    )
    cloudformation, sagemaker = client("cloudformation"), client("sagemaker")
    problem = remaining_group_problem(sagemaker, cloudformation, stage="local", group=STAGE)
    # What `make deploy` and the command of the preflight do.
    assert import_group(sagemaker, cloudformation, STAGE)
    given = {"stack": f"{STAGE}-serving", "endpoint": STAGE}
    assert import_endpoint_log_group(cloudformation, logs, **given) == LOG_GROUP
    assert import_endpoint_log_group(cloudformation, logs, **given) is None, "it has a stack now"
    assert not import_group(sagemaker, cloudformation, STAGE), "it has a stack now"
    up(state, folder=retaining)
    return Again(
        bucket, package, destroyed.stdout, problem, read_local_deployment(state / "local.json")
    )


def keys(client: Callable[[str], Any], bucket: str) -> list[str]:
    return [each["Key"] for each in client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def models_bucket(client: Callable[[str], Any]) -> str:
    resources = client("cloudformation").describe_stack_resources(StackName=f"{STAGE}-storage")
    (bucket,) = (
        each["PhysicalResourceId"]
        for each in resources["StackResources"]
        if each["LogicalResourceId"].startswith("BucketsModels")
        and each["ResourceType"] == "AWS::S3::Bucket"
    )
    return str(bucket)


def test_the_data_is_still_there_and_the_second_deployment_serves(
    again: Again, client: Callable[[str], Any]
) -> None:
    assert classify(again.deployment, GOOD)[0] == 200
    found = client("s3").get_object(Bucket=again.bucket, Key=OBJECT["Key"])
    assert found["Body"].read() == OBJECT["Body"]
    assert models_bucket(client) != again.bucket


def test_destroy_says_what_remains_and_how_to_delete_it(again: Again) -> None:
    lines = [line for line in again.destroyed.splitlines() if line.startswith("  remains: ")]
    assert "emptied: " not in again.destroyed
    buckets = [line for line in lines if line.startswith("  remains: bucket ")]
    assert len(buckets) == 5
    assert not [line for line in lines if "BucketPolicy" in line], "a bucket's policy goes with it"
    (models,) = (line for line in buckets if again.bucket in line)
    assert f"tools.deployment.delete_bucket {again.bucket} --region us-east-1" in models
    (key,) = (line for line in lines if line.startswith("  remains: KMS key "))
    assert "1 USD a month" in key
    assert "aws kms schedule-key-deletion --key-id " in key
    (group,) = (line for line in lines if "model package group" in line)
    assert f"delete-model-package-group --model-package-group-name {STAGE}" in group


def test_the_registered_models_are_imported(again: Again, client: Callable[[str], Any]) -> None:
    assert again.problem is not None
    assert "import_model_packages --stage local" in again.problem
    assert "with 1 model packages" in again.problem
    listed = client("sagemaker").list_model_packages(ModelPackageGroupName=STAGE)
    packages = [each["ModelPackageArn"] for each in listed["ModelPackageSummaryList"]]
    assert packages == [again.package]
    assert physical_id(client, "storage", "ModelPackageGroup").endswith(f"/{STAGE}")


@pytest.mark.usefixtures("again")
def test_the_existing_log_group_is_imported_with_its_events(client: Callable[[str], Any]) -> None:
    assert physical_id(client, "serving", "EndpointLogGroup") == LOG_GROUP
    (group,) = client("logs").describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]
    assert group["retentionInDays"] == 7
    key = physical_id(client, "storage", "EncryptionKey")
    assert group["kmsKeyId"].endswith(f":key/{key}")
    events = client("logs").filter_log_events(logGroupName=LOG_GROUP)["events"]
    assert [event["message"] for event in events] == [EVENT]


def physical_id(client: Callable[[str], Any], purpose: str, logical_id: str) -> str:
    resources = client("cloudformation").describe_stack_resources(StackName=f"{STAGE}-{purpose}")
    (found,) = (
        each["PhysicalResourceId"]
        for each in resources["StackResources"]
        if each["LogicalResourceId"].startswith(logical_id)
    )
    return str(found)
