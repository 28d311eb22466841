"""The longest requests that the templates can send to SageMaker are within the API's bounds."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    CONFIG,
    PREBUILT_IMAGE,
    Assembly,
    Json,
    synthesize,
    with_serving,
)
from tests.stacks.service_model import request_problems
from tests.stacks.state_expressions import evaluate
from tests.stacks.worst_case import EXECUTION_CONTEXT, MAX_STAGE_NAME, resolve

# The type of a resource, the operations that CloudFormation calls with its properties, and the
# name that it makes where the template has none.
OPERATIONS: dict[str, tuple[tuple[str, ...], Json]] = {
    "AWS::SageMaker::Endpoint": (("CreateEndpoint", "UpdateEndpoint"), {}),
    "AWS::SageMaker::EndpointConfig": (
        ("CreateEndpointConfig",),
        {"EndpointConfigName": "d" * 63},
    ),
    "AWS::SageMaker::Model": (("CreateModel",), {"ModelName": "m" * 63}),
    "AWS::SageMaker::ModelPackageGroup": (("CreateModelPackageGroup",), {}),
}
UPDATE_ONLY = {"ExcludeRetainedVariantProperties", "RetainAllVariantProperties"}
CREATE_ONLY = {"Tags"}


def variants() -> dict[str, StageSettings]:
    dev = with_changes(load_stage_settings("dev", CONFIG), stage=MAX_STAGE_NAME)
    gpu = with_serving(dev, instance_type="ml.g5.xlarge")
    training = with_changes(dev.training, instance_type="ml.g5.xlarge")
    return {
        "plain": dev,
        "gpu": with_changes(gpu, training=training),
        "captured": with_serving(dev, data_capture_percent=10),
        "prebuilt": with_serving(dev, image_uri=PREBUILT_IMAGE),
    }


@pytest.fixture(scope="module", params=["plain", "gpu", "captured", "prebuilt"])
def longest(
    request: pytest.FixtureRequest, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory
) -> Assembly:
    """A stage with the longest name, and a model with the longest name."""
    folder: Path = tmp_path_factory.mktemp("longest")
    model = dataclasses.replace(inputs.model, name="n" * 63)
    changed = dataclasses.replace(inputs, model=model)
    return synthesize(variants()[request.param], changed, folder)


def sent(assembly: Assembly, given: Json) -> Json:
    """Return CreateTrainingJob's request of an execution with this input."""
    machine = assembly.resource("training", "AWS::StepFunctions::StateMachine")
    definition = resolve(assembly, "training", machine.properties["DefinitionString"])
    arguments = json.loads(definition)["States"]["TrainModel"]["Arguments"]
    request: Json = evaluate(arguments, given, EXECUTION_CONTEXT, {"attempt": 3})
    return request


def test_every_resource_of_sagemaker_is_within_its_bounds(longest: Assembly) -> None:
    seen = set()
    for purpose, template in longest.templates().items():
        for logical_id, body in template["Resources"].items():
            if not body["Type"].startswith("AWS::SageMaker::"):
                continue
            operations, name = OPERATIONS[body["Type"]]
            properties = name | resolve(longest, purpose, body["Properties"])
            for operation in operations:
                other = CREATE_ONLY if operation.startswith("Update") else UPDATE_ONLY
                request = {key: value for key, value in properties.items() if key not in other}
                assert request_problems("sagemaker", operation, request) == [], logical_id
                seen.add(operation)
    assert seen == {
        "CreateEndpoint",
        "UpdateEndpoint",
        "CreateEndpointConfig",
        "CreateModel",
        "CreateModelPackageGroup",
    }


@pytest.mark.parametrize(
    "hyperparameters", [{}, {"epochs": 3, "learning_rate": 1e-3, "from-scratch": True}]
)
def test_every_training_job_is_within_its_bounds(longest: Assembly, hyperparameters: Any) -> None:
    request = sent(longest, {"dataset_prefix": "x" * 200, "hyperparameters": hyperparameters})
    assert request_problems("sagemaker", "CreateTrainingJob", request) == []
    # The tightest bound: proves that the request above had the maximum length.
    assert len(request["TrainingJobName"]) == len(f"whippet-{MAX_STAGE_NAME}-") + 32 + len("-3-99")
