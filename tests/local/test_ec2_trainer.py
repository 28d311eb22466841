"""The script of the EC2 trainer's machines, run here with the machine's role.

This proves the script and the permissions, not that a machine boots.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.serving.artifacts import write_artifact
from tests.local.aws_cli import install_aws_cli
from tests.local.ec2_instance import Ec2Instance, Ended
from tests.local.png import png
from tests.local.test_iam import assuming, without_policies
from tools.console import ToolError
from tools.local.deployment import LocalDeployment
from tools.training.dataset import PublishedDataset
from tools.training.ec2 import Machine, follow, start_machine
from tools.training.stage import TrainingStage, open_stage
from trainer_time_limit.handler import find_old_instances

Client = Callable[[str], Any]
Resources = Callable[[str, str], list[str]]
STACK = "whippet-local-training"
GROUP = "whippet-local"
ARMED = "-h +270"  # four hours of training, and half an hour to set up


@pytest.fixture(scope="module")
def aws_cli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_aws_cli(tmp_path_factory.mktemp("aws"))


@pytest.fixture
def instance(tmp_path: Path, aws_cli: Path, deployment: LocalDeployment) -> Ec2Instance:
    return Ec2Instance(tmp_path / "a machine", aws_cli, deployment.environment)


@pytest.fixture(scope="module")
def outputs(client: Client) -> dict[str, str]:
    (stack,) = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


@pytest.fixture(scope="module")
def template(client: Client, outputs: dict[str, str]) -> dict[str, Any]:
    (version,) = client("ec2").describe_launch_template_versions(
        LaunchTemplateId=outputs["Ec2LaunchTemplateId"], Versions=["$Latest"]
    )["LaunchTemplateVersions"]
    data: dict[str, Any] = version["LaunchTemplateData"]
    return data


@pytest.fixture(scope="module")
def role(client: Client, template: dict[str, Any]) -> str:
    profile = template["IamInstanceProfile"]["Arn"].rpartition("/")[2]
    found = client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
    name: str = found["Roles"][0]["RoleName"]
    return name


@pytest.fixture(scope="module")
def dataset(client: Client, outputs: dict[str, str]) -> str:
    """Six images of each of two labels in each split; the folder's key."""
    for split in ("train", "valid", "test"):
        for label, brightness in (("dark", 20), ("light", 200)):
            for number in range(6):
                client("s3").put_object(
                    Bucket=outputs["DatasetsBucket"],
                    Key=f"datasets/shades/012345678901/{split}/{label}/{number}.png",
                    Body=png(brightness, seed=f"{split} {label} {number}"),
                )
    return "datasets/shades/012345678901"


@pytest.fixture
def flags(tmp_path: Path) -> dict[str, str]:
    """Hyperparameters of a head whose features are the mean colours: fitted in a second."""
    (tmp_path / "cache" / "backbones").mkdir(parents=True)
    write_artifact(tmp_path / "cache" / "backbones" / "mean", class_count=6, labels=list("abcdef"))
    return {"mode": "head", "architecture": "mean", "cache_dir": str(tmp_path / "cache")}


@pytest.fixture
def run_script(
    instance: Ec2Instance, client: Client, template: dict[str, Any], role: str
) -> Callable[..., Ended]:
    """Run the script of the launch template for a job: `run_script(job)`."""

    def run(job: str, disk: str = "disk") -> Ended:
        script = base64.b64decode(template["UserData"]).decode()
        with assuming(role, client) as given:
            credentials = {
                "AccessKeyId": given["AccessKeyId"],
                "SecretAccessKey": given["SecretAccessKey"],
                "Token": given["SessionToken"],
                "Expiration": (datetime.now(UTC) + timedelta(hours=6)).isoformat(),
                "LastUpdated": datetime.now(UTC).isoformat(),
            }
            return instance.run(script, job=job, credentials=credentials, disk=disk)

    return run


@pytest.fixture
def start(
    run_script: Callable[..., Ended],
    client: Client,
    outputs: dict[str, str],
    dataset: str,
    flags: dict[str, str],
) -> Callable[..., Ended]:
    """Run a job: `start(name, **changes of its description)`."""

    def run(name: str, *, disk: str = "disk", **changes: Any) -> Ended:
        job = {
            "dataset_prefix": dataset,
            "splits": ["train", "valid", "test"],
            "hyperparameters": flags,
            "data_version": "012345678901",
            "commit": "unknown",
            **changes,
        }
        client("s3").put_object(
            Bucket=outputs["DatasetsBucket"], Key=f"jobs/{name}.json", Body=json.dumps(job).encode()
        )
        return run_script(name, disk)

    return run


@pytest.fixture
def stage(state: Path, deployment: LocalDeployment) -> TrainingStage:
    assert deployment.endpoint_name
    return open_stage("local", state / "local.json")


def log_of(client: Client, outputs: dict[str, str], job: str) -> list[str]:
    events = client("logs").get_log_events(
        logGroupName=outputs["Ec2LogGroup"], logStreamName=job, startFromHead=True
    )
    return [event["message"] for event in events["events"]]


def machine_of(client: Client, outputs: dict[str, str], job: str) -> Machine:
    """Start a machine that does nothing: the emulator boots none."""
    started = client("ec2").run_instances(
        ImageId="ami-00000001", InstanceType="m5.xlarge", MinCount=1, MaxCount=1
    )
    return Machine(
        instance_id=started["Instances"][0]["InstanceId"],
        job=job,
        log_group=outputs["Ec2LogGroup"],
    )


def packages(client: Client) -> list[str]:
    listed = client("sagemaker").list_model_packages(ModelPackageGroupName=GROUP)
    return [each["ModelPackageArn"] for each in listed["ModelPackageSummaryList"]]


def test_a_dataset_becomes_a_package_that_waits_for_approval(
    run_script: Callable[..., Ended], stage: TrainingStage, client: Client, dataset: str,
    flags: dict[str, str], outputs: dict[str, str], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """`make train ON=ec2`, but for the boot: here the script runs when the tool has started it."""
    published = PublishedDataset(
        name="shades", version="012345678901", prefix=dataset, splits=("train", "valid", "test")
    )
    machine = start_machine(stage, published, flags)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run_script, machine.job)
        arn = follow(stage, machine, poll_seconds=0.2)
        ended = running.result()
    client("ec2").terminate_instances(InstanceIds=[machine.instance_id])
    assert ended.status == 0, ended.console
    assert ended.shutdowns == [ARMED, "-h now"]
    assert ended.calls["dnf"] == ["install --quiet --assumeyes python3.12"]
    assert "torch==" in ended.calls["pip"][0]
    assert "requirements-job.txt" in ended.calls["pip"][1]
    package = client("sagemaker").describe_model_package(ModelPackageName=arn)
    client("sagemaker").delete_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    known = package["CustomerMetadataProperties"]
    assert float(known["test_accuracy"]) >= 0.7
    assert known["data_version"] == "012345678901"
    assert known["training_job"] == machine.job
    (container,) = package["InferenceSpecification"]["Containers"]
    bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
    assert (bucket, key) == (stage.models_bucket, f"candidates/{machine.job}/model.tar.gz")
    archive = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert hashlib.sha256(archive).hexdigest() == known["sha256"]
    lines = log_of(client, outputs, machine.job)
    assert any("test_accuracy=" in line for line in lines)
    assert lines[-1] == f"model_package_arn: {arn}"
    # The person who waits sees them too.
    printed = capsys.readouterr().out
    assert all(line in printed for line in lines)


def test_images_that_no_label_has_end_with_the_reason_of_the_training(
    start: Callable[..., Ended], client: Client, outputs: dict[str, str], stage: TrainingStage
) -> None:
    client("s3").put_object(
        Bucket=outputs["DatasetsBucket"],
        Key="datasets/bad/0/train/photo.png",
        Body=png(9, seed="alone"),
    )
    before = packages(client)
    ended = start("bad-1", dataset_prefix="datasets/bad/0", splits=["train"])
    assert (ended.status, ended.shutdowns) == (1, [ARMED, "-h now"])
    with pytest.raises(ToolError, match=r"^bad-1 registered nothing: .*<label>/<image>") as refused:
        follow(stage, machine_of(client, outputs, "bad-1"))
    failure = log_of(client, outputs, "bad-1")[-1].removeprefix("failure: ")
    assert failure.endswith("exit code: 1")
    assert failure in str(refused.value)
    assert packages(client) == before


def test_a_role_that_may_not_read_the_code_ends_the_machine(
    start: Callable[..., Ended],
    client: Client,
    role: str,
    outputs: dict[str, str],
    stage: TrainingStage,
) -> None:
    with without_policies(client("iam"), role):
        ended = start("denied-1")
    assert ended.status != 0
    assert ended.shutdowns == [ARMED, "-h now"]
    assert "Forbidden" in ended.console or "AccessDenied" in ended.console
    machine = machine_of(client, outputs, "denied-1")
    client("ec2").terminate_instances(InstanceIds=[machine.instance_id])
    with pytest.raises(ToolError, match=r"denied-1 has no result\. .* get-console-output"):
        follow(stage, machine)


def test_packages_that_cannot_be_downloaded_are_named(
    start: Callable[..., Ended],
    instance: Ec2Instance,
    client: Client,
    outputs: dict[str, str],
    stage: TrainingStage,
) -> None:
    instance.fail("dnf", "Curl error (28): Timeout was reached for the repository")
    ended = start("offline-1")
    assert (ended.status, ended.shutdowns) == (1, [ARMED, "-h now"])
    with pytest.raises(ToolError, match=r"offline-1 registered nothing: dnf .* Timeout"):
        follow(stage, machine_of(client, outputs, "offline-1"))


def test_a_machine_without_a_disk_ends(start: Callable[..., Ended]) -> None:
    ended = start("diskless-1", disk="no disk")
    assert ended.status != 0
    assert ended.shutdowns == [ARMED, "-h now"]


def test_only_machines_of_the_trainer_are_ended_at_the_limit(
    client: Client, outputs: dict[str, str], stack_resources: Resources
) -> None:
    ec2 = client("ec2")
    by_template = {
        "LaunchTemplateId": outputs["Ec2LaunchTemplateId"],
        "Version": "$Latest",
    }
    tags = [
        {
            "ResourceType": "instance",
            "Tags": [{"Key": "whippet-trainer", "Value": GROUP}],
        }
    ]
    started = [
        ec2.run_instances(MinCount=1, MaxCount=1, **which)["Instances"][0]["InstanceId"]
        for which in (
            # The emulator leaves out the template's own tags.
            {"LaunchTemplate": by_template, "TagSpecifications": tags},
            {"ImageId": "ami-00000001", "InstanceType": "m5.xlarge"},
        )
    ]
    try:
        now = datetime.now(UTC)
        found = find_old_instances(ec2, GROUP, now + timedelta(minutes=1))
        assert (started[0] in found, started[1] in found) == (True, False)
        assert find_old_instances(ec2, GROUP, now - timedelta(hours=1)) == []
        # The function itself has the permissions that it needs, and both machines are young.
        (function,) = (
            each for each in stack_resources(STACK, "AWS::Lambda::Function") if "TimeLimit" in each
        )
        response = client("lambda").invoke(FunctionName=function, Payload=b"{}")
        assert json.loads(response["Payload"].read()) == []
    finally:
        ec2.terminate_instances(InstanceIds=started)
