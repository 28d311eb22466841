"""Transform jobs: the model's server gets each object, and each response is stored."""

import json
import time
from typing import Any

import pytest

from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.jobs.transform import run
from tests.local_cloud.sagemaker import SCOPE, StandInSageMaker
from tests.local_cloud.training_jobs import TIMEOUT_SECONDS

IMAGES = "s3://datasets/photos/"


def request(name: str = "job", **members: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": IMAGES}
    return {
        "TransformJobName": name,
        "ModelName": "first",
        "TransformInput": {"DataSource": {"S3DataSource": source}, "ContentType": "image/jpeg"},
        "TransformOutput": {
            "S3OutputPath": "s3://models/predictions",
            "Accept": "application/json",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    }


@pytest.fixture
def photos(sagemaker: StandInSageMaker) -> StandInSageMaker:
    for key in ("photos/cat/1.jpg", "photos/cat/2.jpg", "photos/dog.jpg", "photos-old/1.jpg"):
        sagemaker.s3.objects["datasets", key] = key.encode()
    return sagemaker


def ended(sagemaker: StandInSageMaker, name: str = "job") -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        described = sagemaker.call("DescribeTransformJob", TransformJobName=name)
        if described["TransformJobStatus"] not in {"InProgress", "Stopping"}:
            return described
        time.sleep(0.02)
    raise AssertionError(f"{name} still runs")


def responses(sagemaker: StandInSageMaker) -> dict[str, Any]:
    return {
        key: json.loads(content)
        for (bucket, key), content in sagemaker.s3.objects.items()
        if bucket == "models"
    }


def transformed(sagemaker: StandInSageMaker, **members: Any) -> dict[str, Any]:
    sagemaker.call("CreateTransformJob", **request(**members))
    described = ended(sagemaker)
    assert not list(sagemaker.models.glob("*")), "the model's files stay"
    assert not list((sagemaker.logs.parent / "jobs").glob("*/*/*")), "its folders stay"
    return described


def test_each_object_has_a_response(photos: StandInSageMaker) -> None:
    described = transformed(photos, Environment={"WHIPPET_TOP_K": "3"}, MaxConcurrentTransforms=2)
    assert described["TransformJobStatus"] == "Completed", described.get("FailureReason")
    assert described["CreationTime"] <= described["TransformStartTime"]
    assert described["TransformStartTime"] < described["TransformEndTime"]
    found = responses(photos)
    assert {key: each["body"] for key, each in found.items()} == {
        f"predictions/{path}.out": f"photos/{path}"
        for path in ("cat/1.jpg", "cat/2.jpg", "dog.jpg")
    }
    (first, *_) = found.values()
    assert first["headers"]["content-type"] == "image/jpeg"
    assert first["headers"]["accept"] == "application/json"
    assert {name: first["variables"].get(name) for name in (
        "SAGEMAKER_BATCH", "SAGEMAKER_BATCH_STRATEGY", "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB", "WHIPPET_TOP_K",
    )} == {
        "SAGEMAKER_BATCH": "true", "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "2", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
        "WHIPPET_TOP_K": "3",
    }  # fmt: skip
    types = {event[2] for event in photos.platform.events}
    assert types == {"SageMaker Transform Job State Change"}
    statuses = [event[3]["TransformJobStatus"] for event in photos.platform.events]
    assert statuses == ["InProgress", "Completed"]


def test_several_instances_share_the_objects(photos: StandInSageMaker) -> None:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    for number in range(20):
        photos.s3.objects["datasets", f"photos/{number}.jpg"] = b"more"
    assert transformed(photos, TransformResources=resources)["TransformJobStatus"] == "Completed"
    assert len({each["process_id"] for each in responses(photos).values()}) == 2
    assert len(responses(photos)) == 23


def test_a_failed_object_fails_the_job_and_has_no_output(photos: StandInSageMaker) -> None:
    photos.s3.objects["datasets", "photos/cat/2.jpg"] = b"bad"
    described = transformed(photos)
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"] == (
        "AlgorithmError: See job logs for more information (1 of 3 objects failed; the first: "
        "s3://datasets/photos/cat/2.jpg)"
    )
    assert set(responses(photos)) == {"predictions/cat/1.jpg.out", "predictions/dog.jpg.out"}
    logs = {
        stream.rpartition("-")[0]: lines
        for (scope, group, stream), lines in photos.platform.logs.items()
        if (scope, group) == (SCOPE, run.LOG_GROUP)
    }
    (line,) = logs["job/data-log"]
    assert line.startswith(
        "s3://datasets/photos/cat/2.jpg: Bad HTTP status received from algorithm: 422: "
    )


def test_an_object_above_the_limit_fails_the_job(photos: StandInSageMaker) -> None:
    photos.s3.objects["datasets", "photos/dog.jpg"] = bytes(1024 * 1024 + 1)
    photos.s3.objects["datasets", "photos/cat/1.jpg"] = bytes(1024 * 1024)
    described = transformed(photos, MaxPayloadInMB=1)
    assert "the first: s3://datasets/photos/dog.jpg" in described["FailureReason"]
    assert len(responses(photos)) == 2


@pytest.mark.parametrize(
    ("model", "reason"), [("damaged", "the model is damaged"), ("absent", "Failed to download")]
)
def test_a_model_that_does_not_start_fails_the_job(
    photos: StandInSageMaker, model: str, reason: str
) -> None:
    described = transformed(photos, ModelName=model)
    assert described["TransformJobStatus"] == "Failed"
    assert reason in described["FailureReason"]


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
def test_a_role_without_permission_fails_the_job(photos: StandInSageMaker, operation: str) -> None:
    photos.s3.denied = {(operation, "serving")}
    assert "AccessDenied" in transformed(photos)["FailureReason"]


def test_a_job_is_stopped(photos: StandInSageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_RETRY_SECONDS", 600.0)
    photos.s3.objects["datasets", "photos/hang.jpg"] = b"hang up"
    photos.call("CreateTransformJob", **request())
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not photos.logs.joinpath("transform", "job", "data.log").read_text():
        assert time.monotonic() < deadline, "the server does not hang up"
        time.sleep(0.02)
    photos.call("StopTransformJob", TransformJobName="job")
    assert ended(photos)["TransformJobStatus"] == "Stopped"
    with pytest.raises(AwsError, match="the transform job is in status Stopped"):
        photos.call("StopTransformJob", TransformJobName="job")


def with_manifest(sagemaker: StandInSageMaker, content: Any) -> dict[str, Any]:
    sagemaker.s3.objects["datasets", "some.manifest"] = json.dumps(content).encode()
    location = {"S3DataType": "ManifestFile", "S3Uri": "s3://datasets/some.manifest"}
    return transformed(sagemaker, BatchStrategy="SingleRecord", **source(location=location))


def test_a_manifest_names_the_objects(photos: StandInSageMaker) -> None:
    prefix = {"prefix": "s3://datasets/photos/"}
    described = with_manifest(photos, [prefix, "dog.jpg", "cat/2.jpg"])
    assert described["TransformJobStatus"] == "Completed", described.get("FailureReason")
    found = responses(photos)
    assert {key: each["body"] for key, each in found.items()} == {
        "predictions/dog.jpg.out": "photos/dog.jpg",
        "predictions/cat/2.jpg.out": "photos/cat/2.jpg",
    }
    strategies = {each["variables"]["SAGEMAKER_BATCH_STRATEGY"] for each in found.values()}
    assert strategies == {"SINGLE_RECORD"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            [{"prefix": "s3://datasets/photos/"}, "dog.jpg", "none.jpg"],
            "photos/none.jpg (NoSuchKey",
        ),
        ([{"prefix": "s3://datasets/photos/"}], "is not valid: expected a JSON list of"),
        ([{"prefix": "photos/"}, "dog.jpg"], "is not valid"),
        ([{"prefix": "s3://datasets/photos/"}, "../dog.jpg"], "is not valid"),
        (["dog.jpg"], "is not valid"),
        ({"prefix": "s3://datasets/photos/"}, "is not valid"),
    ],
)
def test_a_manifest_that_cannot_be_followed_fails_the_job(
    photos: StandInSageMaker, content: Any, reason: str
) -> None:
    described = with_manifest(photos, content)
    assert described["TransformJobStatus"] == "Failed"
    assert reason in described["FailureReason"]


def source(**members: Any) -> dict[str, Any]:
    location = {"S3DataType": "S3Prefix", "S3Uri": IMAGES, **members.pop("location", {})}
    return {"TransformInput": {"DataSource": {"S3DataSource": location}, **members}}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"ModelName": "none"}, "Could not find model"),
        ({"MaxPayloadInMB": 101}, r"got 1 \* 101"),
        ({"MaxPayloadInMB": 20, "MaxConcurrentTransforms": 6}, r"got 6 \* 20"),
        (source(SplitType="Line"), "SplitType must be None; got Line"),
        (source(CompressionType="Gzip"), "CompressionType must be None"),
        (
            source(location={"S3DataType": "AugmentedManifestFile"}),
            "got S3DataType AugmentedManifestFile",
        ),
        (source(location={"S3Uri": "s3://datasets/none"}), 'URL "s3://datasets/none" given'),
        ({"DataProcessing": {"JoinSource": "Input"}}, "JoinSource must be None"),
        ({"DataProcessing": {"OutputFilter": "$.label"}}, "do not support filters"),
        ({"TransformJobName": "a" * 64}, "length less than or equal to 63"),
    ],
)
def test_an_invalid_request_is_refused(
    photos: StandInSageMaker, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=message) as refused:
        photos.call("CreateTransformJob", **request(**members))
    assert refused.value.code == "ValidationException"
    assert photos.call("ListTransformJobs")["TransformJobSummaries"] == []


def test_jobs_are_listed_latest_first_and_have_tags(photos: StandInSageMaker) -> None:
    for name in ("first-job", "second-job"):
        photos.call("CreateTransformJob", **request(name, Tags=[{"Key": "a", "Value": name}]))
    listed = photos.call("ListTransformJobs")["TransformJobSummaries"]
    assert [each["TransformJobName"] for each in listed] == ["second-job", "first-job"]
    tags = photos.call("ListTags", ResourceArn=listed[0]["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "a", "Value": "second-job"}]
    for name in ("first-job", "second-job"):
        ended(photos, name)
    with pytest.raises(AwsError, match="a job with this name already exists") as refused:
        photos.call("CreateTransformJob", **request("first-job"))
    assert refused.value.code == "ResourceInUse"
