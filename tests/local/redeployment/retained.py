"""A stage that retains its data: deployed by README's commands, destroyed and deployed again."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacks.names import endpoint_log_group_name
from tests.contract.serving.artifacts import PREPROCESSING, write_artifact
from tests.local.conftest import DEMO, run_tool, up
from tests.local.redeployment.own_model import copy_tree, run_own_model_commands
from tests.stacks.fake_inputs import write_archive
from tools.deployment.log_groups import import_endpoint_log_group
from tools.deployment.model_packages import import_group, remaining_group_problem
from tools.local.deployment import LocalDeployment, read_local_deployment

STAGE = "whippet-local"
LABELS = {2: ["0", "1"], 3: ["0", "1", "7"]}
LOG_GROUP = endpoint_log_group_name(STAGE)
OBJECT = {"Key": "training/model.tar.gz", "Body": b"weights"}
EVENT = "written before the second deployment"
# What a registered model needs; the image is not started.
_INFERENCE = {
    "Containers": [{"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1"}],
    "SupportedContentTypes": ["image/jpeg"],
    "SupportedResponseMIMETypes": ["application/json"],
}

Client = Callable[[str], Any]


@dataclass(frozen=True)
class FewClasses:
    """A deployed model of few classes.

    Attributes:
        labels: its labels.
        printed: what its deployment printed.
        folder: the folder of that deployment's program.
        file: the file that describes the deployment.
    """

    labels: list[str]
    printed: str
    folder: Path
    file: Path

    @property
    def deployment(self) -> LocalDeployment:
        """Return what the file says."""
        return read_local_deployment(self.file)


@dataclass(frozen=True)
class Again:
    """What was there between the deployments of a stage that retains its data, and the second."""

    bucket: str
    package: str
    destroyed: str
    problem: str | None
    model: FewClasses


def deploy_own_model(state: Path, place: Path) -> FewClasses:
    """Train and deploy a model of two classes in a clone whose stage `local` retains its data.

    Args:
        state: the folder of the cloud.
        place: a folder for the clone and the images.
    """
    for split in ("train", "valid", "test"):
        for label in LABELS[2]:
            shutil.copytree(DEMO / "data" / split / label, place / "digits" / split / label)
    clone = place / "clone"
    copy_tree(clone, state)
    settings = clone / "config" / "local.toml"
    settings.write_text(
        f'retain_stateful_resources = true\n{settings.read_text()}\n[network]\nvpc = "own"\n'
    )
    printed = run_own_model_commands(clone, place / "digits")
    return FewClasses(LABELS[2], printed, clone, clone / "build" / "local.json")


def destroy_and_deploy_again(state: Path, client: Client, deployed: FewClasses) -> Again:
    """Destroy the stage, import what it retained, and deploy a model of three classes."""
    clone = deployed.folder
    assert deployed.deployment.endpoint_name == STAGE
    bucket = models_bucket(client)
    client("s3").put_object(Bucket=bucket, **OBJECT)
    package = client("sagemaker").create_model_package(
        ModelPackageGroupName=STAGE, InferenceSpecification=_INFERENCE
    )["ModelPackageArn"]
    destroyed = run_tool(
        "tools.deployment.destroy", "--stage", "local", "--state-directory", str(state),
        folder=clone,
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
    # Of three means, the label of the lowest has the highest score.
    preprocessing = {**PREPROCESSING, "mean": [0.5, 0.3, 0.4]}
    model = write_artifact(clone.parent / "model", labels=LABELS[3], preprocessing=preprocessing)
    write_archive(model, {path.name: path.read_bytes() for path in model.iterdir()})
    printed = up(state, model, folder=clone).stdout
    few = FewClasses(LABELS[3], printed, clone, state / "local.json")
    return Again(bucket, package, destroyed.stdout, problem, few)


def keys(client: Client, bucket: str) -> list[str]:
    """Return the keys of a bucket's objects."""
    return [each["Key"] for each in client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def models_bucket(client: Client) -> str:
    """Return the name of the deployed stage's bucket of models."""
    resources = client("cloudformation").describe_stack_resources(StackName=f"{STAGE}-storage")
    (bucket,) = (
        each["PhysicalResourceId"]
        for each in resources["StackResources"]
        if each["LogicalResourceId"].startswith("BucketsModels")
        and each["ResourceType"] == "AWS::S3::Bucket"
    )
    return str(bucket)
