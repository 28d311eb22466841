"""What `make destroy` retained is there after the next deployment."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.local.api_requests import classify
from tests.local.redeployment.retained import (
    EVENT,
    LOG_GROUP,
    OBJECT,
    STAGE,
    Again,
    models_bucket,
)
from tests.local.test_api import GOOD


def test_the_data_is_still_there_and_the_second_deployment_serves(
    again: Again, client: Callable[[str], Any]
) -> None:
    assert classify(again.model.deployment, GOOD)[0] == 200
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
