"""The model package of a model that passed the gate, and the messages about it."""

import json
import re
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.stacks.assembly import PREBUILT_IMAGE, Assembly, Json, with_serving
from tests.stacks.conftest import Synthesize
from tests.stacks.service_model import request_problems
from tests.stacks.training_account import (
    COPY,
    METRICS,
    PUBLISH,
    REGISTER,
    SHA256,
    TRAIN,
    approved_package,
    package_arn,
)
from tests.stacks.training_workflow import INPUT, refused, run

COMMIT = "0a1b2c3d4e" * 4


def registered(assembly: Assembly, given: Json = INPUT, **account: Any) -> Json:
    (sent,) = run(assembly, given, **account).requests(REGISTER)
    return sent


def test_the_archive_and_its_metrics_are_kept_below_the_execution(dev: Assembly) -> None:
    execution = run(dev, name="made-up_1")
    (job,) = (each["TrainingJobName"] for each in execution.requests(TRAIN))
    archive, metrics = execution.requests(COPY)
    assert archive["CopySource"] == f"models/training/{job}/output/model.tar.gz"
    assert archive["Key"] == "candidates/made-up_1/model.tar.gz"
    assert archive["ChecksumAlgorithm"] == "SHA256"
    assert metrics["CopySource"].endswith(f">/checkpoints/made-up_1/{job}/metrics.json")
    assert metrics["Key"] == "candidates/made-up_1/metrics.json"
    assert re.fullmatch(r"<whippet-dev-storage:.*BucketsModels.*>", archive["Bucket"])


def test_the_package_waits_for_approval_with_what_is_known_of_the_model(dev: Assembly) -> None:
    given = {**INPUT, "commit": COMMIT, "data_version": "another"}
    sent = registered(dev, given, approved=approved_package(7), name="made-up_1")
    properties = sent["CustomerMetadataProperties"]
    assert properties.pop("training_job").startswith("whippet-dev-")
    assert properties == {
        "sha256": SHA256,
        "data_version": "3f2a9c01b7de",
        "commit": COMMIT,
        "test_split_sha256": METRICS["test_split_sha256"],
        "test_accuracy": "0.9416667",
        "test_images": "120",
        "name": "flowers",
        "version": "0a1b2c3d4e5f",
        "architecture": "tf_efficientnet_lite0",
        "class_count": "3",
        "model_bytes": "18000000",
        "milliseconds_per_image": "6.25",
        "compared_with": "7",
        "execution": "made-up_1",
    }
    assert sent["ModelPackageGroupName"] == "whippet-dev"
    assert sent["ModelApprovalStatus"] == "PendingManualApproval"
    assert sent["InferenceSpecification"]["SupportedContentTypes"] == [
        "image/jpeg", "image/png", "image/webp",
    ]  # fmt: skip
    assert sent["InferenceSpecification"]["SupportedResponseMIMETypes"] == ["application/json"]
    (container,) = sent["InferenceSpecification"]["Containers"]
    assert re.fullmatch(
        r"s3://<.*BucketsModels.*>/candidates/made-up_1/model\.tar\.gz", container["ModelDataUrl"]
    )
    statistics = sent["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert statistics["S3Uri"].endswith(">/candidates/made-up_1/metrics.json")


def test_what_is_not_known_is_left_out(dev: Assembly) -> None:
    metrics = {
        "test_accuracy": METRICS["test_accuracy"],
        "name": "",
        "version": None,
        "test_images": 0,
    }
    properties = registered(dev, metrics=metrics)["CustomerMetadataProperties"]
    assert properties.keys() == {
        "sha256", "commit", "test_accuracy", "test_images", "compared_with", "execution",
        "training_job",
    }  # fmt: skip
    assert properties["commit"] == "unknown"
    assert properties["test_images"] == "0"


def test_the_dataset_of_the_input_is_named_where_the_job_names_none(dev: Assembly) -> None:
    given = {**INPUT, "data_version": "3f2a9c01b7de"}
    properties = registered(dev, given, metrics={**METRICS, "data_version": None})
    assert properties["CustomerMetadataProperties"]["data_version"] == "3f2a9c01b7de"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("flowers & pets", "flowers---pets"),
        ("Blüten", "Bl-ten"),
        ("a\nb", "a-b"),
        ("azAZ09_.:/=+-@", "azAZ09_.:/=+-@"),
        ("x" * 300, "x" * 256),
        ("😀", "-"),
        (12, "12"),
        (["a"], "--a--"),
    ],
)
def test_metadata_is_within_what_sagemaker_accepts(dev: Assembly, name: Any, expected: str) -> None:
    sent = registered(dev, metrics={**METRICS, "name": name})
    assert sent["CustomerMetadataProperties"]["name"] == expected
    problems = request_problems("sagemaker", "CreateModelPackage", sent)
    assert [each for each in problems if "Metadata" in each] == []


def test_a_retried_registration_creates_one_package(dev: Assembly) -> None:
    first, second = (registered(dev)["ClientToken"] for _ in range(2))
    assert first == second
    assert re.fullmatch(r"[0-9a-f]{32}", first)


def test_the_package_is_served_by_the_stages_own_image(assembly: Assembly) -> None:
    serving = assembly.resource("serving", "AWS::SageMaker::Model").properties
    (container,) = registered(assembly)["InferenceSpecification"]["Containers"]
    image = serving["PrimaryContainer"]["Image"]["Fn::Sub"]
    assert container["Image"] == image.replace("${", "<").replace("}", ">")
    (training,), (endpoint,) = (
        assembly.assets(purpose)["dockerImages"].items() for purpose in ("training", "serving")
    )
    assert training[0] == endpoint[0]
    assert training[1]["source"] == endpoint[1]["source"]


def test_a_prebuilt_image_is_named(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_serving(dev_settings, image_uri=PREBUILT_IMAGE))
    (container,) = registered(assembly)["InferenceSpecification"]["Containers"]
    assert container["Image"] == PREBUILT_IMAGE


@pytest.mark.parametrize("checksum", [None, "", "c2hvcnQ="])
def test_without_the_hash_of_the_archive_nothing_is_registered(
    dev: Assembly, checksum: str | None
) -> None:
    execution = run(dev, checksum=checksum)
    assert execution.requests(REGISTER) == []
    cause = refused(execution, "RegistrationFailed")
    assert cause.startswith("S3 has returned no sha256 of s3://models/training/whippet-dev-")


@pytest.mark.parametrize("call", [COPY, REGISTER])
def test_an_error_of_the_registration_is_the_cause(dev: Assembly, call: str) -> None:
    failure = {"Error": "SageMaker.SageMakerException", "Cause": "is not authorized"}
    execution = run(dev, failures={call: failure})
    cause = refused(execution, "RegistrationFailed")
    assert cause == "Registering the model: is not authorized"


def test_the_result_names_package_job_and_accuracy(dev: Assembly) -> None:
    execution = run(dev, approved=approved_package(7))
    (job,) = (each["TrainingJobName"] for each in execution.requests(TRAIN))
    assert execution.result == {
        "model_package_arn": package_arn(4),
        "training_job": job,
        "test_accuracy": 0.9416667,
        "compared_with": "7",
        "notified": True,
    }


def test_a_message_says_how_to_approve(assembly: Assembly) -> None:
    (message,) = run(assembly).requests(PUBLISH)
    topic = assembly.resource("training", "AWS::SNS::Topic")
    assert message["TopicArn"] == f"<{topic.logical_id}>"
    assert message["Subject"] == f"{assembly.settings.name}: a model waits for approval"
    assert message["Message"] == (
        f"Version 4 of the model package group {assembly.settings.name} waits for approval. Its "
        "test accuracy is 0.9416667, compared with: none. To approve it: make approve "
        f"STAGE={assembly.settings.stage} VERSION=4"
    )


def test_a_message_about_a_failure_has_its_cause(dev: Assembly) -> None:
    execution = run(dev, {}, name="made-up_1")
    (message,) = execution.requests(PUBLISH)
    assert message["Subject"] == "whippet-dev: no model was registered"
    assert message["Message"] == (
        f"The execution made-up_1 has registered no model. InvalidInput: {execution.cause}"
    )


@pytest.mark.parametrize("given", [INPUT, {}])
def test_a_message_that_cannot_be_sent_changes_nothing_but_the_result_says_so(
    dev: Assembly, given: Json
) -> None:
    failure = {"Error": "SNS.AuthorizationErrorException", "Cause": "no"}
    sent, unsent = run(dev, given), run(dev, given, failures={PUBLISH: failure})
    assert (unsent.error, unsent.cause) == (sent.error, sent.cause)
    if sent.error is None:
        assert unsent.result == {**sent.result, "notified": False}
    assert json.dumps(unsent.calls) == json.dumps(sent.calls)
