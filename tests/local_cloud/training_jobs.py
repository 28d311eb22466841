"""Small training jobs: a program of a few lines instead of train.py."""

import io
import json
import tarfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it needs moto, which the tests of a running cloud do not have
    from tests.local_cloud.sagemaker import StandInSageMaker

TRAINING_ROLE = "arn:aws:iam::123456789012:role/training"
TRAINING_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.14-cpu"
TIMEOUT_SECONDS = 60


def packed(**files: str) -> bytes:
    """Return a source archive; `train` becomes `train.py`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{name}.py")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Return the files of a `.tar.gz` by their paths."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        contents = ((each.name, members.extractfile(each)) for each in members)
        return {name: content.read() for name, content in contents if content}


def training_request(name: str = "job", **members: Any) -> dict[str, Any]:
    """Return CreateTrainingJob's parameters; `hyperparameters` are added to those of the source."""
    hyperparameters = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "s3://assets/source.tar.gz",
        "sagemaker_region": "us-east-1",
        **members.pop("hyperparameters", {}),
    }
    metric = {"Name": "test_accuracy", "Regex": r"\btest_accuracy=([0-9.eE+-]+)"}
    return {
        "TrainingJobName": name,
        "RoleArn": TRAINING_ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": TRAINING_IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [metric],
        },
        "HyperParameters": hyperparameters,
        "OutputDataConfig": {"S3OutputPath": "s3://models/training"},
        "ResourceConfig": resources(1),
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **members,
    }


def resources(count: int) -> dict[str, Any]:
    """Return a ResourceConfig of some instances."""
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 10}


def channel(name: str, url: str, **members: str) -> dict[str, Any]:
    """Return a channel of InputDataConfig."""
    source = {"S3DataType": "S3Prefix", "S3Uri": url, **members}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def start(sagemaker: "StandInSageMaker", program: str, name: str = "job", **members: Any) -> None:
    """Start a training job of a program."""
    sagemaker.s3.objects["assets", "source.tar.gz"] = packed(train=program)
    sagemaker.call("CreateTrainingJob", **training_request(name, **members))


def ended(sagemaker: "StandInSageMaker", name: str = "job") -> dict[str, Any]:
    """Wait for the end of a job; return DescribeTrainingJob's response."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        described = sagemaker.call("DescribeTrainingJob", TrainingJobName=name)
        if described["TrainingJobStatus"] not in {"InProgress", "Stopping"}:
            json.dumps(described)  # as the HTTP door does
            return described
        time.sleep(0.02)
    raise AssertionError(f"{name} still runs")


def wait_for_log(sagemaker: "StandInSageMaker", text: str) -> None:
    """Wait until a host has printed a text."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if any(text in line for lines in sagemaker.platform.logs.values() for line in lines):
            return
        time.sleep(0.02)
    raise AssertionError(f"{text} was not printed")
