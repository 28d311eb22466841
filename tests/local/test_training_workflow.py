"""The state machine that trains, run by the emulator's Step Functions."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stacks.components.training.source import pack_training_source
from tests.local.test_iam import acting_as
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
Resources = Callable[[str, str], list[str]]
STACK = "whippet-local-training"


def ended(client: Client, resources: Resources, given: dict[str, Any], name: str) -> dict[str, Any]:
    """Start an execution and wait for its end."""
    states = client("stepfunctions")
    (machine,) = resources(STACK, "AWS::StepFunctions::StateMachine")
    arn = states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(given))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        execution: dict[str, Any] = states.describe_execution(executionArn=arn["executionArn"])
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.2)
    pytest.fail(f"{name} still runs")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "dataset_prefix must be a text that names a folder"),
        (
            {"dataset_prefix": "flowers", "hyperparameters": {"name": "flowers & pets"}},
            "the value of the hyperparameter name must be one or more letters, digits and . _ ",
        ),
    ],
)
def test_an_execution_with_invalid_input_reports_the_expected_input(
    client: Client, stack_resources: Resources, given: dict[str, Any], problem: str
) -> None:
    execution = ended(client, stack_resources, given, f"without-a-usable-input-{len(given)}")
    assert (execution["status"], execution["error"]) == ("FAILED", "InvalidInput")
    assert execution["cause"].startswith(problem)
    assert '. Expected {"dataset_prefix": "flowers"' in execution["cause"]


def test_an_execution_with_a_dataset_comes_as_far_as_the_job(
    client: Client, stack_resources: Resources
) -> None:
    given = {
        "dataset_prefix": "flowers/",
        "splits": ["train", "valid"],
        "hyperparameters": {"epochs": 3, "batch_size": "4"},
    }
    execution = ended(client, stack_resources, given, "a_name_of_80_characters".ljust(80, "x"))
    history = client("stepfunctions").get_execution_history(executionArn=execution["executionArn"])
    (scheduled,) = (each for each in history["events"] if each["type"] == "TaskScheduled")
    details = scheduled["taskScheduledEventDetails"]
    assert details["resource"] == "createTrainingJob.sync"
    job = json.loads(details["parameters"])
    assert re.fullmatch(r"whippet-local-[0-9a-f]{32}-1-0", job["TrainingJobName"])
    assert job["HyperParameters"].items() >= {"epochs": "3", "batch_size": "4"}.items()


def test_the_jobs_role_reads_the_source_and_no_other_asset(
    deployment: LocalDeployment, client: Client, stack_resources: Resources
) -> None:
    (machine,) = stack_resources(STACK, "AWS::StepFunctions::StateMachine")
    definition = client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    task = json.loads(definition["definition"])["States"]["TrainModel"]["Arguments"]
    address = re.search(r's3://([^/"]+)/([0-9a-f]{64}\.gz)', task["HyperParameters"])
    assert address is not None
    bucket, key = address.groups()
    listed = client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    others = [each["Key"] for each in listed if each["Key"] != key]
    assert others
    with acting_as(task["RoleArn"].rpartition("/")[2], client, deployment) as assumed:
        archive = assumed("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        assert archive == pack_training_source(ROOT / "model_code")
        with pytest.raises(ClientError, match="AccessDenied"):
            assumed("s3").get_object(Bucket=bucket, Key=others[0])
