"""The state machine that trains, run by the emulator's Step Functions; no job runs here yet."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.test_iam import acting_as
from tests.stacks.service_model import request_problems
from tools.local_deployment import LocalDeployment

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


def sent(client: Client, execution: dict[str, Any]) -> dict[str, Any]:
    """Return the request that the execution made of its input."""
    events = client("stepfunctions").get_execution_history(
        executionArn=execution["executionArn"], maxResults=100
    )["events"]
    (scheduled,) = (
        event["taskScheduledEventDetails"] for event in events if event["type"] == "TaskScheduled"
    )
    assert scheduled["resource"].startswith("createTrainingJob")
    request: dict[str, Any] = json.loads(scheduled["parameters"])
    return request


def test_an_execution_without_a_dataset_says_what_is_expected(
    client: Client, stack_resources: Resources
) -> None:
    execution = ended(client, stack_resources, {}, "without-a-dataset")
    assert (execution["status"], execution["error"]) == ("FAILED", "InvalidInput")
    assert execution["cause"].startswith('Expected {"dataset_prefix": "flowers"')


def test_an_execution_asks_for_a_job_within_sagemakers_bounds_and_catches_its_failure(
    client: Client, stack_resources: Resources
) -> None:
    given = {"dataset_prefix": "flowers/", "hyperparameters": {"epochs": 3, "batch_size": "4"}}
    execution = ended(client, stack_resources, given, "a_name.of-80-characters".ljust(80, "x"))
    assert execution["status"] == "FAILED"
    assert execution["cause"]
    request = sent(client, execution)
    assert request_problems("sagemaker", "CreateTrainingJob", request) == []
    assert request["HyperParameters"]["epochs"] == "3"
    assert request["HyperParameters"]["sagemaker_program"] == "train.py"
    assert request["Environment"]["WHIPPET_EXECUTION"] == execution["executionArn"]


def test_the_jobs_role_reads_the_source_and_no_other_asset(
    deployment: LocalDeployment, client: Client, stack_resources: Resources
) -> None:
    given = {"dataset_prefix": "flowers"}
    request = sent(client, ended(client, stack_resources, given, "source"))
    address = request["HyperParameters"]["sagemaker_submit_directory"]
    bucket, _, key = address.removeprefix("s3://").partition("/")
    others = [
        each["Key"]
        for each in client("s3").list_objects_v2(Bucket=bucket)["Contents"]
        if each["Key"] != key
    ]
    assert others
    role = request["RoleArn"].rpartition("/")[2]
    with acting_as(role, client, deployment) as assumed:
        archive = assumed("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        assert archive.startswith(b"\x1f\x8b")
        with pytest.raises(ClientError, match="AccessDenied"):
            assumed("s3").get_object(Bucket=bucket, Key=others[0])
