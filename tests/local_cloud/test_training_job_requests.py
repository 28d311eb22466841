"""Which requests for training jobs are refused, and how jobs are listed and tagged."""

import copy
from typing import Any

import pytest

from local_cloud.sagemaker.errors import AwsError
from tests.local_cloud.sagemaker import StandInSageMaker
from tests.local_cloud.training_jobs import (
    TRAINING_IMAGE,
    channel,
    ended,
    start,
    training_request,
)

SPOT = {"EnableManagedSpotTraining": True}


def algorithm(**members: Any) -> dict[str, Any]:
    return {"TrainingImage": TRAINING_IMAGE, "TrainingInputMode": "File", **members}


def stopping(runtime: int, wait: int | None = None) -> dict[str, int]:
    return {"MaxRuntimeInSeconds": runtime} | ({"MaxWaitTimeInSeconds": wait} if wait else {})


def isolated(**members: Any) -> dict[str, Any]:
    return {"EnableNetworkIsolation": True, **members}


def mode(value: str) -> dict[str, Any]:
    return {"AlgorithmSpecification": algorithm(TrainingInputMode=value)}


def metrics(*definitions: tuple[str, str]) -> dict[str, Any]:
    found = [{"Name": name, "Regex": regex} for name, regex in definitions]
    return {"AlgorithmSpecification": algorithm(MetricDefinitions=found)}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"TrainingJobName": "a" * 64}, "length less than or equal to 63"),
        ({"TrainingJobName": "under_score"}, "regular expression pattern"),
        ({"AlgorithmSpecification": algorithm(ContainerArguments=["a\nb"])}, "pattern"),
        ({"HyperParameters": {"name": "x" * 2501}}, "length less than or equal to 2500"),
        ({"Unknown": 1}, "Unknown member 'unknown'"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/unknown"}, "Could not assume role"),
        (SPOT, "must be present with EnableManagedSpotTraining"),
        ({**SPOT, "StoppingCondition": stopping(100, 99)}, "got 99 and 100"),
        ({"StoppingCondition": stopping(100, 200)}, "only valid with EnableManagedSpotTraining"),
        ({"StoppingCondition": stopping(2_419_201)}, r"exceeds 2419200 \(28 days\)"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "greater than or equal to 1"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}, "VolumeSizeInGB"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.lagre"}}, "enum value set"),
        ({"InputDataConfig": [channel("a", "s3://d/a"), channel("a", "s3://d/b")]}, "unique"),
        ({"InputDataConfig": [channel("..", "s3://d/a")]}, "a letter or a digit"),
        ({"InputDataConfig": [channel("a", "s3://d/none")]}, 'URL "s3://d/none" given in input'),
        ({"InputDataConfig": []}, "length greater than or equal to 1"),
        ({"InputDataConfig": [{"ChannelName": "a", "DataSource": {}}]}, "no S3DataSource"),
        (mode("Pipe"), "File and FastFile only"),
        (metrics(("a", "a=(")), "expression of the metric a is invalid"),
        (metrics(("a", "x"), ("a", "y")), "Metric names must be unique"),
        (isolated(), "cannot download its source from s3://assets/source.tar.gz"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "must have a TrainingImage"),
        (
            {"AlgorithmSpecification": algorithm(TrainingImage="x/xgboost:1"),
             "HyperParameters": {}},
            "cannot run the image x/xgboost:1",
        ),
    ],
)  # fmt: skip
def test_an_invalid_request_is_refused(
    sagemaker: StandInSageMaker, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=message) as refused:
        sagemaker.call("CreateTrainingJob", **{**training_request(), **members})
    assert refused.value.code == "ValidationException"
    assert sagemaker.call("ListTrainingJobs")["TrainingJobSummaries"] == []
    assert sagemaker.platform.events == []


def test_a_role_that_may_not_list_is_refused_as_without_data(sagemaker: StandInSageMaker) -> None:
    sagemaker.s3.objects["datasets", "train/a"] = b"a"
    sagemaker.s3.denied = {("ListObjectsV2", "training")}
    with pytest.raises(AwsError, match='has "s3:ListBucket" permissions on bucket "datasets"'):
        start(sagemaker, "", InputDataConfig=[channel("train", "s3://datasets/train")])


@pytest.mark.parametrize(
    "members",
    [
        {"StoppingCondition": stopping(100, 100), **SPOT},
        {"AlgorithmSpecification": algorithm(TrainingImage="own/image@sha256:0f")},
        mode("FastFile"),
        {"InputDataConfig": [channel("code", "s3://assets/source.tar.gz")],
         "EnableNetworkIsolation": True,
         "HyperParameters": {
             "sagemaker_program": "train.py",
             "sagemaker_submit_directory": "/opt/ml/input/data/code/source.tar.gz",
         }},
    ],
)  # fmt: skip
def test_a_valid_request_runs(sagemaker: StandInSageMaker, members: dict[str, Any]) -> None:
    start(sagemaker, "import os; print(*sorted(os.environ))", **members)
    described = ended(sagemaker)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    for name, value in members.items():
        assert described[name] == value
    (printed,) = next(iter(sagemaker.platform.logs.values()))
    found = {"AWS_SESSION_TOKEN", "https_proxy"} & set(printed.split())
    is_isolated = "EnableNetworkIsolation" in members
    assert found == ({"https_proxy"} if is_isolated else {"AWS_SESSION_TOKEN"})


def test_a_name_is_taken_for_good(sagemaker: StandInSageMaker) -> None:
    start(sagemaker, "")
    ended(sagemaker)
    with pytest.raises(AwsError, match=r"must be unique .*:training-job/job\)") as refused:
        start(sagemaker, "")
    assert refused.value.code == "ResourceInUse"


@pytest.mark.parametrize("operation", ["DescribeTrainingJob", "StopTrainingJob"])
def test_an_absent_job_is_not_found(sagemaker: StandInSageMaker, operation: str) -> None:
    with pytest.raises(AwsError, match=r"Requested resource not found\."):
        sagemaker.call(operation, TrainingJobName="none")


def test_jobs_are_listed_in_pages(sagemaker: StandInSageMaker) -> None:
    for number in range(11):
        start(sagemaker, "" if number else "raise SystemExit(1)", f"job-{number:02}")
        ended(sagemaker, f"job-{number:02}")

    def names(**filters: Any) -> list[str]:
        listed = sagemaker.call("ListTrainingJobs", **filters)["TrainingJobSummaries"]
        return [each["TrainingJobName"] for each in listed]

    every = [f"job-{number:02}" for number in range(11)]
    first = sagemaker.call("ListTrainingJobs")
    assert names() == every[:10]
    assert names(NextToken=first["NextToken"]) == every[10:]
    assert names(SortOrder="Descending", SortBy="Name", MaxResults=2) == ["job-10", "job-09"]
    assert names(StatusEquals="Failed") == ["job-00"]
    assert names(NameContains="B-1") == ["job-10"]
    fifth = sagemaker.call("DescribeTrainingJob", TrainingJobName="job-05")["CreationTime"]
    assert names(CreationTimeAfter=fifth) == every[6:]
    assert names(CreationTimeBefore=fifth) == every[:5]
    (summary,) = sagemaker.call("ListTrainingJobs", StatusEquals="Failed")["TrainingJobSummaries"]
    assert (summary["TrainingJobStatus"], summary["SecondaryStatus"]) == ("Failed", "Failed")


def test_a_job_has_tags(sagemaker: StandInSageMaker) -> None:
    tags = [{"Key": "stage", "Value": "dev"}, {"Key": "owner", "Value": "me"}]
    start(sagemaker, "", Tags=copy.deepcopy(tags))
    described = ended(sagemaker)
    arn = described["TrainingJobArn"]
    assert "Tags" not in described
    assert sagemaker.platform.events[-1][3]["Tags"] == {"stage": "dev", "owner": "me"}
    assert sagemaker.call("ListTags", ResourceArn=arn)["Tags"] == tags
    sagemaker.call("AddTags", ResourceArn=arn, Tags=[{"Key": "stage", "Value": "prod"}])
    sagemaker.call("DeleteTags", ResourceArn=arn, TagKeys=["owner"])
    assert sagemaker.call("ListTags", ResourceArn=arn)["Tags"] == [
        {"Key": "stage", "Value": "prod"}
    ]


def test_other_records_keep_their_tags(sagemaker: StandInSageMaker) -> None:
    sagemaker.call("CreateModelPackageGroup", ModelPackageGroupName="flowers")
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/flowers"
    tags = [{"Key": "stage", "Value": "dev"}]
    sagemaker.call("AddTags", ResourceArn=arn, Tags=tags)
    assert sagemaker.call("ListTags", ResourceArn=arn)["Tags"] == tags
    sagemaker.call("DeleteTags", ResourceArn=arn, TagKeys=["stage"])
    assert sagemaker.call("ListTags", ResourceArn=arn)["Tags"] == []
