"""A stand-in for what the training state machine calls: S3, SageMaker, SNS."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.stacks.assembly import Json

TRAIN = "sagemaker:createTrainingJob.sync"
TUNE = "sagemaker:createHyperParameterTuningJob.sync"
START = "aws-sdk:sagemaker:createTrainingJob"
LIST = "aws-sdk:s3:listObjectsV2"
READ = "aws-sdk:s3:getObject"
COPY = "aws-sdk:s3:copyObject"
DESCRIBE_JOB = "aws-sdk:sagemaker:describeTrainingJob"
FIND_APPROVED = "aws-sdk:sagemaker:listModelPackages"
DESCRIBE_PACKAGE = "aws-sdk:sagemaker:describeModelPackage"
REGISTER = "aws-sdk:sagemaker:createModelPackage"
PUBLISH = "sns:publish"

PREFIX = "datasets/flowers/3f2a9c01b7de"
ARCHIVE = b"an archive"
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
METRICS: Json = {
    "schema": 1,
    "name": "flowers",
    "version": "0a1b2c3d4e5f",
    "architecture": "tf_efficientnet_lite0",
    "mode": "head",
    "test_accuracy": 0.9416666666666667,
    "valid_accuracy": 0.95,
    "test_images": 120,
    "class_count": 3,
    "data_version": "3f2a9c01b7de",
    "test_split_sha256": "5e" * 32,
    "model_bytes": 18000000,
    "milliseconds_per_image": 6.25,
}


def package_arn(version: int) -> str:
    return f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/whippet-dev/{version}"


def approved_package(version: int = 3, **metadata: str | None) -> Json:
    """Return DescribeModelPackage's response of an approved package; None leaves metadata out."""
    properties = {
        "test_accuracy": "0.95",
        "test_split_sha256": METRICS["test_split_sha256"],
        **metadata,
    }
    return {
        "ModelPackageArn": package_arn(version),
        "ModelApprovalStatus": "Approved",
        "CustomerMetadataProperties": {k: v for k, v in properties.items() if v is not None},
    }


def missing_object() -> Json:
    return {"Error": "S3.NoSuchKeyException", "Cause": "The specified key does not exist."}


@dataclass
class TrainingAccount:
    """An account in which an execution succeeds, unless it is told otherwise.

    Attributes:
        jobs: what the training and tuning jobs end with, in turn; without any, with success.
        keys: of the bucket of datasets; None: whatever is looked for is there.
        accuracy: final metric of the training jobs; None: they report none.
        metrics: content of metrics.json; None: there is none.
        approved: description of the newest approved package; None: there is none.
        older: descriptions of the approved packages before it.
        checksum: of the copied archive; None: S3 returns none.
        best: name of the best job of a tuning job; None: no job was good.
        status: of the training jobs that end well.
        is_name_used: whether an earlier execution had the same name.
        looks: what a training job looks like, in turn, before it is complete.
        failures: errors by the name of the integration.
        checkpoints: the address that the last job got.
    """

    jobs: list[Json] = field(default_factory=list)
    keys: list[str] | None = None
    accuracy: float | None = 0.9416666626930237  # the nearest 32-bit float
    metrics: Json | None = field(default_factory=lambda: dict(METRICS))
    approved: Json | None = None
    older: list[Json] = field(default_factory=list)
    checksum: str | None = base64.b64encode(hashlib.sha256(ARCHIVE).digest()).decode()
    best: str | None = "whippet-dev-0a1b2c3-004-5d6e7f80"
    failures: dict[str, Json] = field(default_factory=dict)
    status: str = "Completed"
    is_name_used: bool = False
    looks: list[Json] = field(default_factory=list)
    checkpoints: str = ""

    def respond(self, integration: str, arguments: Json) -> Json:
        """Return the result of a call."""
        if integration in self.failures:
            return self.failures[integration]
        operations: dict[str, Callable[[Json], Json]] = {
            TRAIN: self._train,
            TUNE: self._tune,
            LIST: self._list,
            READ: self._read,
            COPY: self._copy,
            START: self._start,
            DESCRIBE_JOB: self._describe,
            FIND_APPROVED: self._find_approved,
            DESCRIBE_PACKAGE: self._describe_package,
            REGISTER: lambda _given: {"ModelPackageArn": package_arn(4)},
            PUBLISH: lambda _given: {"MessageId": "0a1b"},
        }
        return operations[integration](arguments)

    def _train(self, given: Json) -> Json:
        self.checkpoints = given["CheckpointConfig"]["S3Uri"]
        return self.jobs.pop(0) if self.jobs else self._job(given["TrainingJobName"])

    def _start(self, given: Json) -> Json:
        self.checkpoints = given["CheckpointConfig"]["S3Uri"]
        name = given["TrainingJobName"]
        return {"TrainingJobArn": f"arn:aws:sagemaker:eu-west-1:123456789012:training-job/{name}"}

    def _describe(self, given: Json) -> Json:
        name = given["TrainingJobName"]
        return {"TrainingJobName": name, **(self.looks.pop(0) if self.looks else self._job(name))}

    def _tune(self, given: Json) -> Json:
        self.checkpoints = given["TrainingJobDefinition"]["CheckpointConfig"]["S3Uri"]
        if self.jobs:
            return self.jobs.pop(0)
        name = given["HyperParameterTuningJobName"]
        result: Json = {"HyperParameterTuningJobName": name}
        return result | ({"BestTrainingJob": {"TrainingJobName": self.best}} if self.best else {})

    def _job(self, name: str) -> Json:
        metrics: list[Json] = [{"MetricName": "valid_accuracy", "Value": 0.95}]
        if self.accuracy is not None:
            metrics.append({"MetricName": "test_accuracy", "Value": self.accuracy})
        return {
            "TrainingJobName": name,
            "TrainingJobStatus": self.status,
            "ModelArtifacts": {
                "S3ModelArtifacts": f"s3://models/training/{name}/output/model.tar.gz"
            },
            "CheckpointConfig": {"S3Uri": self.checkpoints, "LocalPath": "/opt/ml/checkpoints"},
            "FinalMetricDataList": metrics,
        }

    def _list(self, given: Json) -> Json:
        prefix, delimiter = given["Prefix"], given.get("Delimiter")
        if prefix.startswith("candidates/"):
            return {"Contents": [{"Key": prefix}]} if self.is_name_used else {"KeyCount": 0}
        complete = ("dataset.jsonl", "test/a", "train/a", "valid/a") if delimiter else ("",)
        every = [prefix + name for name in complete] if self.keys is None else self.keys
        names = [key.removeprefix(prefix) for key in every if key.startswith(prefix)]
        folders = {name.split("/")[0] + "/" for name in names if delimiter and "/" in name}
        files = [name for name in names if not delimiter or "/" not in name]
        # S3 leaves out what is empty.
        result: Json = {"KeyCount": len(files) + len(folders)}
        if files:
            result["Contents"] = [{"Key": prefix + name} for name in files]
        if folders:
            result["CommonPrefixes"] = [{"Prefix": prefix + name} for name in sorted(folders)]
        return result

    def _read(self, given: Json) -> Json:
        if self.metrics is None or not given["Key"].endswith("/metrics.json"):
            return missing_object()
        content = dict(self.metrics)
        if content.get("test_accuracy") == METRICS["test_accuracy"]:
            content["test_accuracy"] = self.accuracy  # what the job has printed
        return {"Body": json.dumps(content), "ContentType": "application/json"}

    def _copy(self, given: Json) -> Json:
        checksum = self.checksum if given.get("ChecksumAlgorithm") == "SHA256" else None
        result: dict[str, Any] = {"ETag": '"0a1b"'}
        return {"CopyObjectResult": result | ({"ChecksumSHA256": checksum} if checksum else {})}

    def _find_approved(self, given: Json) -> Json:
        assert given["ModelApprovalStatus"] == "Approved"
        names = [package["ModelPackageArn"] for package in self._packages()]
        return {"ModelPackageSummaryList": [{"ModelPackageArn": name} for name in names]}

    def _describe_package(self, given: Json) -> Json:
        arn = given["ModelPackageName"]
        (found,) = (each for each in self._packages() if each["ModelPackageArn"] == arn)
        return found

    def _packages(self) -> list[Json]:
        return [*([self.approved] if self.approved else []), *self.older]
