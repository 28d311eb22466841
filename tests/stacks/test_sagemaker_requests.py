"""The longest requests that the templates can send to SageMaker are within the API's bounds."""

import dataclasses
import json
import re
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
from tests.stacks.state_machine import INTEGRATIONS, execute
from tests.stacks.training_account import METRICS, TrainingAccount, approved_package
from tests.stacks.worst_case import EXECUTION_CONTEXT, MAX_STAGE_NAME, PARTITION, resolve
from tools.batch.runs import check_run_name

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
        "network": with_changes(dev, network=with_changes(dev.network, vpc="own")),
        "serverless": with_serving(dev, mode="serverless", serverless_provisioned_concurrency=2),
    }


@pytest.fixture(
    scope="module", params=["plain", "gpu", "captured", "prebuilt", "network", "serverless"]
)
def longest(
    request: pytest.FixtureRequest, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory
) -> Assembly:
    """A stage with the longest name, and a model with the longest name."""
    folder: Path = tmp_path_factory.mktemp("longest")
    model = dataclasses.replace(inputs.model, name="n" * 63)
    changed = dataclasses.replace(inputs, model=model)
    return synthesize(variants()[request.param], changed, folder)


def longest_definition(assembly: Assembly, purpose: str = "training") -> Json:
    machine = assembly.resource(purpose, "AWS::StepFunctions::StateMachine")
    text = resolve(assembly, purpose, machine.properties["DefinitionString"])
    definition: Json = json.loads(text.replace(f"arn:{PARTITION}:states:::", INTEGRATIONS))
    return definition


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


TUNING: Json = {
    "strategy": "Random",
    "trials": 100,
    "parallel": 10,
    "ranges": {
        "learning_rate": {"minimum": 1e-6, "maximum": 0.1, "scaling": "Logarithmic"},
        "epochs": {"minimum": 1, "maximum": 30, "type": "Integer"},
        "mode": {"values": ["head", "finetune"]},
    },
}
# The integrations of the state machine, as operations of the APIs.
OPERATION = re.compile(r"(?:aws-sdk:)?(\w+):(\w+?)(?:\.sync)?")


@pytest.mark.parametrize("tuning", [None, TUNING])
@pytest.mark.parametrize(
    "hyperparameters", [{}, {"batch_size": 3, "weight_decay": 1e-3, "from-scratch": True}]
)
def test_every_request_of_the_state_machine_is_within_its_bounds(
    longest: Assembly, hyperparameters: Any, tuning: Json | None
) -> None:
    given = {"dataset_prefix": "x" * 200, "hyperparameters": hyperparameters, "commit": "c" * 300}
    account = TrainingAccount(
        approved=approved_package(),
        metrics=dict.fromkeys(METRICS, "x" * 300)
        | {key: METRICS[key] for key in ("test_split_sha256", "test_accuracy")},
    )
    execution = execute(
        longest_definition(longest),
        given | ({"tuning": tuning} if tuning else {}),
        account.respond,
        "n" * 36,
    )
    assert execution.error is None
    for integration, request in execution.calls:
        found = OPERATION.fullmatch(integration)
        assert found is not None
        service, operation = found[1], found[2][0].upper() + found[2][1:]
        assert request_problems(service, operation, request) == [], integration
    assert len(execution.calls) >= 10


def test_the_request_of_a_batch_job_is_within_its_bounds(longest: Assembly) -> None:
    state = longest_definition(longest, "batch")["States"]["Transform"]
    run = "r" * 28
    assert check_run_name(run) is None
    assert check_run_name(f"{run}r") is not None
    sent = evaluate(state["Arguments"], {"run": run, "attempt": 999}, EXECUTION_CONTEXT)
    assert request_problems("sagemaker", "CreateTransformJob", sent) == []


def test_every_jobs_name_is_within_its_bounds(longest: Assembly) -> None:
    """The tightest bounds, with the highest number of attempts and retries."""
    states = longest_definition(longest)["States"]
    names = [
        evaluate(states[state]["Arguments"][name], {}, EXECUTION_CONTEXT, {"attempt": 3})
        for state, name in (
            ("TrainModel", "TrainingJobName"),
            ("TuneModel", "HyperParameterTuningJobName"),
        )
    ]
    prefix = f"whippet-{MAX_STAGE_NAME}-"
    assert [len(name) for name in names] == [len(prefix) + 32 + len("-3-99"), len(prefix) + 7]
    assert [len(name) <= bound for name, bound in zip(names, (63, 32), strict=True)] == [True] * 2
