"""The state machine that trains, run by the emulator's Step Functions."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stacks.components.training.source import pack_training_source
from tests.local.queues import subscribed_queue
from tests.local.test_iam import acting_as
from tests.local.test_metrics import total
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
    (machine,) = stack_resources(STACK, "AWS::StepFunctions::StateMachine")

    def counts() -> list[float]:
        metrics = ("ExecutionsStarted", "ExecutionsFailed", "ExecutionsSucceeded", "ExecutionTime")
        return [
            total(client, "AWS/States", name, "SampleCount", StateMachineArn=machine)
            for name in metrics
        ]

    before = counts()
    execution = ended(client, stack_resources, given, f"without-a-usable-input-{len(given)}")
    changes = [now - then for now, then in zip(counts(), before, strict=True)]
    assert changes == [1, 1, 0, 1]
    assert (execution["status"], execution["error"]) == ("FAILED", "InvalidInput")
    assert execution["cause"].startswith(problem)
    assert '. Expected {"dataset_prefix": "datasets/flowers/' in execution["cause"]


def test_an_execution_without_its_dataset_tells_the_topic(
    client: Client, stack_resources: Resources
) -> None:
    """The role may look for it, and send a message to the encrypted topic."""
    (topic,) = stack_resources(STACK, "AWS::SNS::Topic")
    name = "no-dataset"
    with subscribed_queue(client, name, topic) as queue:
        given = {"dataset_prefix": "datasets/no/such", "hyperparameters": {"mode": "head"}}
        execution = ended(client, stack_resources, given, name)
        assert (execution["status"], execution["error"]) == ("FAILED", "DatasetMissing")
        assert "/datasets/no/such has no dataset.jsonl, train/, valid/, test/" in execution["cause"]
        message = queue.receive(wait_seconds=5)[0]
        assert message["Subject"] == "whippet-local: no model was registered"
        assert f"DatasetMissing: {execution['cause']}" in message["Message"]


def test_only_the_approvers_policy_lets_a_model_be_approved(
    deployment: LocalDeployment, client: Client, stack_resources: Resources
) -> None:
    (machine,) = stack_resources(STACK, "AWS::StepFunctions::StateMachine")
    described = client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    role = described["roleArn"].rpartition("/")[2]
    iam = client("iam")
    (approver,) = stack_resources(STACK, "AWS::IAM::ManagedPolicy")
    package = {
        "ModelPackageGroupName": "whippet-local",
        "InferenceSpecification": {
            "Containers": [{"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"}],
            "SupportedContentTypes": ["image/jpeg"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    }
    with acting_as(role, client, deployment) as assumed:
        registry = assumed("sagemaker")
        with pytest.raises(ClientError, match="AccessDenied"):
            registry.create_model_package(**package, ModelApprovalStatus="Approved")
        arn = registry.create_model_package(**package, ModelApprovalStatus="PendingManualApproval")[
            "ModelPackageArn"
        ]
        try:
            approval = {"ModelPackageArn": arn, "ModelApprovalStatus": "Approved"}
            with pytest.raises(ClientError, match="AccessDenied"):
                registry.update_model_package(**approval)
            iam.attach_role_policy(RoleName=role, PolicyArn=approver)
            try:
                registry.update_model_package(**approval)
                with pytest.raises(ClientError, match="AccessDenied"):
                    registry.update_model_package(
                        ModelPackageArn=arn, ModelApprovalStatus="PendingManualApproval"
                    )
            finally:
                iam.detach_role_policy(RoleName=role, PolicyArn=approver)
            found = registry.describe_model_package(ModelPackageName=arn)
            assert found["ModelApprovalStatus"] == "Approved"
        finally:
            client("sagemaker").delete_model_package(ModelPackageName=arn)


def test_the_jobs_role_reads_the_source_and_no_other_asset(
    deployment: LocalDeployment, client: Client, stack_resources: Resources
) -> None:
    (machine,) = stack_resources(STACK, "AWS::StepFunctions::StateMachine")
    definition = client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    task = json.loads(definition["definition"])["States"]["TrainModel"]["Arguments"]
    address = re.search(
        r's3://([^/"]+)/(whippet-local-training/[0-9a-f]{64}\.gz)', task["HyperParameters"]
    )
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
