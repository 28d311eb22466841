"""A batch transform job with the deployed model and its real server."""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.local.test_jobs import TIMEOUT_SECONDS, create_role
from tools.cdk import ROOT

Client = Callable[[str], Any]
Resources = Callable[[str, str], list[str]]


def test_a_transform_job_classifies_each_image_of_a_prefix(
    client: Client, stack_resources: Resources, model_version: str
) -> None:
    sagemaker, s3 = client("sagemaker"), client("s3")
    deployed = stack_resources("whippet-local-serving", "AWS::SageMaker::Model")[0]
    model = sagemaker.describe_model(ModelName=deployed.rpartition("/")[2])
    container = model["PrimaryContainer"]
    artifacts = container["ModelDataUrl"].removeprefix("s3://").partition("/")[0]
    role = create_role(
        client("iam"), "transform", "sagemaker.amazonaws.com",
        ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
        resources=["arn:aws:s3:::job-*", f"arn:aws:s3:::{artifacts}/*"],
    )  # fmt: skip
    sagemaker.create_model(ModelName="transform", ExecutionRoleArn=role, PrimaryContainer=container)
    s3.create_bucket(Bucket="job-transform")
    photo = (ROOT / "samples" / "cat.jpg").read_bytes()
    for key in ("photos/cat.jpg", "photos/deeper/cat.jpg"):
        s3.put_object(Bucket="job-transform", Key=key, Body=photo)
    s3.put_object(Bucket="job-transform", Key="photos/text.jpg", Body=b"no image")

    described = transformed(sagemaker)
    assert described["TransformJobStatus"] == "Completed", described.get("FailureReason")
    found = s3.list_objects_v2(Bucket="job-transform", Prefix="predictions/")["Contents"]
    records = {
        each["Key"]: json.loads(
            s3.get_object(Bucket="job-transform", Key=each["Key"])["Body"].read()
        )
        for each in found
    }
    assert list(records) == [
        "predictions/cat.jpg.out", "predictions/deeper/cat.jpg.out", "predictions/text.jpg.out"
    ]  # fmt: skip
    error = records.pop("predictions/text.jpg.out")
    assert (error.keys(), error["error"]["code"]) == ({"error"}, "unsupported_image")
    for response in records.values():
        assert response["model"]["version"] == model_version
        assert response["predictions"][0]["probability"] > 0


def transformed(sagemaker: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://job-transform/photos/"}
    sagemaker.create_transform_job(
        TransformJobName="photos",
        ModelName="transform",
        MaxConcurrentTransforms=2,
        TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "image/jpeg"},
        TransformOutput={"S3OutputPath": "s3://job-transform/predictions"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        found: dict[str, Any] = sagemaker.describe_transform_job(TransformJobName="photos")
        if found["TransformJobStatus"] != "InProgress":
            return found
        time.sleep(0.1)
    raise AssertionError("the job still runs")
