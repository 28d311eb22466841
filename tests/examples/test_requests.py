"""What the examples of the SageMaker SDK send, as it was recorded with the SDK."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local_cloud.sagemaker.validation import check_request
from tests.examples.record import RECORD, ROOT, examples_sha256

RECORDED: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
EXAMPLES = ("train", "tune", "invoke")
REQUESTS = [
    pytest.param(sent, id=f"{example}-{sent['operation']}")
    for example in EXAMPLES
    for sent in RECORDED[example]
]


def request_of(example: str, operation: str) -> dict[str, Any]:
    (found,) = (sent for sent in RECORDED[example] if sent["operation"] == operation)
    request: dict[str, Any] = found["request"]
    return request


def test_the_record_is_of_these_examples() -> None:
    assert RECORDED["examples_sha256"] == examples_sha256(), (
        "record them again: make sdk, then .venvs/sdk/bin/python tests/examples/record.py"
    )


@pytest.mark.parametrize("sent", REQUESTS)
def test_the_service_accepts_it(sent: Mapping[str, Any]) -> None:
    request = dict(sent["request"])
    if "Body" in request:
        request["Body"] = b"the image"
    check_request(sent["service"], sent["operation"], request)


def test_both_kinds_of_jobs_run_the_stages_own_program() -> None:
    training = request_of("train", "CreateTrainingJob")
    tuning = request_of("tune", "CreateHyperParameterTuningJob")["TrainingJobDefinition"]
    for definition, name in ((training, "HyperParameters"), (tuning, "StaticHyperParameters")):
        assert definition[name]["sagemaker_program"] == "train.py"
        assert definition[name]["sagemaker_submit_directory"] == "s3://assets/0123.gz"
        # No script of the SDK by its path in the container.
        assert "ContainerEntrypoint" not in definition["AlgorithmSpecification"]
        assert "/opt/ml" not in json.dumps(definition)
        channels = [each["ChannelName"] for each in definition["InputDataConfig"]]
        assert channels == ["train", "valid", "test", "wheels"]


def test_the_tuning_jobs_objective_is_one_of_its_metrics() -> None:
    request = request_of("tune", "CreateHyperParameterTuningJob")
    objective = request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    metrics = request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    assert objective["MetricName"] in [each["Name"] for each in metrics]


def test_an_image_is_sent_as_it_is() -> None:
    request = request_of("invoke", "InvokeEndpoint")
    image = Path(ROOT / "samples" / "cat.jpg").read_bytes()
    assert request["Body"] == {"sha256": hashlib.sha256(image).hexdigest()}
    assert request["ContentType"] == "image/jpeg"


def test_no_example_of_another_name_is_left_out() -> None:
    names = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert names - {"__init__", "stage"} == set(EXAMPLES)
