"""`make destroy`: the end of a deployment on a laptop, with and without its datasets."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stacks.settings.stage import load_stage_settings
from tests.local.conftest import run_tool, up
from tests.local.redeployment.retained import STAGE
from tests.tools.run_module import run_module
from tools.cdk import ROOT
from tools.deployment.take_back_datasets import take_back_datasets
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
KEPT = f"/{STAGE.replace('-', '/')}/kept-datasets"
PHOTO = ROOT / "samples" / "cat.jpg"
IMAGE = {"Key": "flowers/train/a rose/1.png", "Body": b"an image"}


def destroy(state: Path, *arguments: str) -> str:
    return run_tool(
        "tools.deployment.destroy", "--stage", "local", "--state-directory", str(state), *arguments
    ).stdout


def remaining(printed: str) -> list[str]:
    """Return the lines on what remains, but for the account's role for the logs of APIs."""
    lines = [line for line in printed.splitlines() if line.startswith("  remains: ")]
    return [line for line in lines if not line.startswith("  remains: role ")]


def stacks(client: Client) -> list[str]:
    return [each["StackName"] for each in client("cloudformation").describe_stacks()["Stacks"]]


def storage(client: Client) -> dict[str, str]:
    """Return the physical ids of the bucket of datasets, the log bucket and the key."""
    resources = client("cloudformation").describe_stack_resources(StackName=f"{STAGE}-storage")
    found = {each["LogicalResourceId"]: each for each in resources["StackResources"]}
    starts = {
        "datasets": ("BucketsDatasets", "AWS::S3::Bucket"),
        "logs": ("BucketsAccessLogs", "AWS::S3::Bucket"),
        "key": ("EncryptionKey", "AWS::KMS::Key"),
    }
    return {
        name: each["PhysicalResourceId"]
        for name, (start, kind) in starts.items()
        for id_, each in found.items()
        if id_.startswith(start) and each["ResourceType"] == kind
    }


@dataclass(frozen=True)
class WithoutAll:
    """What was deployed before `make destroy KEEP=datasets`, and what that printed."""

    storage: dict[str, str]
    printed: str


@pytest.fixture(scope="module")
def without_all(state: Path, client: Client, deployment: LocalDeployment) -> WithoutAll:  # noqa: ARG001 - it deploys
    before = storage(client)
    client("s3").put_object(Bucket=before["datasets"], **IMAGE)
    return WithoutAll(before, destroy(state, "--keep", "datasets"))


def test_the_datasets_alone_are_kept_with_what_reads_them(
    client: Client, without_all: WithoutAll
) -> None:
    datasets, key = without_all.storage["datasets"], without_all.storage["key"]
    assert stacks(client) == ["CDKToolkit"]
    buckets = {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}
    assert {each for each in buckets if not each.startswith("cdk-")} == {datasets}
    found = client("s3").get_object(Bucket=datasets, Key=IMAGE["Key"])
    assert found["Body"].read() == IMAGE["Body"]
    assert client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    policy = json.loads(client("s3").get_bucket_policy(Bucket=datasets)["Policy"])
    effects = {each["Effect"] for each in policy["Statement"]}
    assert effects == {"Deny"}, "only TLS, and written to as before"
    assert "NoMoreWrites" not in {each.get("Sid") for each in policy["Statement"]}
    assert "LoggingEnabled" not in client("s3").get_bucket_logging(Bucket=datasets)


def test_what_remains_is_said(without_all: WithoutAll) -> None:
    lines = remaining(without_all.printed)
    assert [line.partition(":")[2].split()[:2] for line in lines] == [
        ["bucket", without_all.storage["datasets"] + ":"],
        ["KMS", "key"],
    ]
    assert without_all.storage["key"] in lines[1]
    emptied = without_all.printed.partition("emptied: ")[2].partition("\n")[0]
    assert without_all.storage["logs"] in emptied
    assert without_all.storage["datasets"] not in emptied
    assert "where nothing is billed: `make down` deletes it." in without_all.printed
    assert "The next deployment of the stage takes the datasets back." in without_all.printed


@pytest.fixture(scope="module")
def deployed_again(
    state: Path,
    client: Client,
    packaged_model: Path,
    without_all: WithoutAll,  # noqa: ARG001 - it destroys
) -> str:
    """What `make up` printed after it."""
    assert client("ssm").get_parameter(Name=KEPT)["Parameter"]["Value"]
    return up(state, packaged_model).stdout


def test_the_next_deployment_takes_them_back(
    client: Client, without_all: WithoutAll, deployed_again: str
) -> None:
    datasets, s3 = without_all.storage["datasets"], client("s3")
    said = f"Took back the datasets that were kept: the bucket {datasets}."
    assert said in deployed_again.splitlines()
    after = storage(client)
    assert (after["datasets"], after["key"]) == (datasets, without_all.storage["key"])
    assert s3.get_object(Bucket=datasets, Key=IMAGE["Key"])["Body"].read() == IMAGE["Body"]
    assert s3.get_bucket_versioning(Bucket=datasets)["Status"] == "Enabled"
    settings = load_stage_settings("local", ROOT / "config")
    assert take_back_datasets(client, settings) is None, "there is nothing any more"


@pytest.mark.usefixtures("deployed_again")
def test_destroy_deletes_all(state: Path, client: Client, without_all: WithoutAll) -> None:
    printed = destroy(state)
    assert without_all.storage["datasets"] in printed.partition("emptied: ")[2]
    assert remaining(printed) == []
    assert stacks(client) == ["CDKToolkit"]
    buckets = [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]
    assert [each for each in buckets if not each.startswith("cdk-")] == []
    assert client("sagemaker").list_endpoints()["Endpoints"] == []
    ended = run_module("tools.local.predict", str(PHOTO), "--deployment", str(state / "local.json"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "the stage was deleted since. Run `make up`" in ended.stderr
