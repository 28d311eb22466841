"""State machines that AWS refuses are refused here, by the API and in a template."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.state_machines import StateMachines, allow, arn, machines, task

__all__ = ["machines"]

Client = Callable[[str], Any]
JOB = {
    "TrainingJobName": "{% $states.context.Execution.Name %}",
    "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image"},
    "RoleArn": arn("iam", "role/job", region=""),
    "OutputDataConfig": {"S3OutputPath": "s3://models/training"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "CheckpointConfig": {"S3Uri": "s3://models/checkpoints"},
    "EnableManagedSpotTraining": True,
}
RULES = [
    allow(f"events:{action}", arn("events", "rule/StepFunctionsGetEventsForSageMaker*"))
    for action in ("PutRule", "PutTargets", "DescribeRule")
]


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the arguments of a job with one more member."""
    arguments: dict[str, Any] = json.loads(json.dumps(JOB))
    *parents, last = path.split(".")
    holder = arguments
    for parent in parents:
        holder = holder[parent]
    holder[last] = value
    return arguments


@pytest.mark.parametrize(
    ("resource", "arguments", "problem"),
    [
        (
            "sagemaker:createTrainingJob.sync",
            changed("ProfilerConfig", {"S3OutputPath": "s3://models/profile"}),
            '"ProfilerConfig" is not supported by Step Functions at /States/Only/Arguments',
        ),
        (
            "sagemaker:createTrainingJob.sync",
            changed("AlgorithmSpecification.ContainerEntrypoint", ["python"]),
            'The field "ContainerEntrypoint" is not supported',
        ),
        (
            "sagemaker:createTrainingJob.sync",
            changed("ResourceConfig.InstancesCount", 1),
            'The field "InstancesCount" is not supported',
        ),
        (
            "aws-sdk:sagemaker:createModelPackage",
            {"InferenceSpecification": {"Containers": [{"Pixels": "x"}]}},
            'The field "Pixels" is not supported',
        ),
        ("aws-sdk:s3:getObjekt", {}, "is not recognized. The value is not a valid resource ARN"),
        ("aws-sdk:logs:putLogEvents", {}, "aws-sdk:logs:putLogEvents is not recognized"),
        ("sagemaker:createModelPackage", {}, "sagemaker:createModelPackage is not recognized"),
        ("sagemaker:createModel.sync", {}, "sagemaker:createModel.sync is not recognized"),
        ("aws-sdk:sagemaker:createTrainingJob.sync", {}, "is not recognized"),
    ],
)
def test_a_definition_is_checked(
    machines: StateMachines, resource: str, arguments: dict[str, Any], problem: str
) -> None:
    role = machines.role(*RULES)
    with pytest.raises(ClientError, match=r"InvalidDefinition.*SCHEMA_VALIDATION_FAILED") as error:
        machines.create({"Only": task(resource, arguments)}, role)
    assert problem in str(error.value)
    accepted = machines.create({"Only": task("sagemaker:createTrainingJob.sync", JOB)}, role)
    bad = {"StartAt": "Only", "States": {"Only": task(resource, arguments)}}
    with pytest.raises(ClientError, match="InvalidDefinition"):
        machines.states.update_state_machine(
            stateMachineArn=accepted, definition=json.dumps(bad | {"QueryLanguage": "JSONata"})
        )


def test_tasks_inside_other_states_are_checked(machines: StateMachines) -> None:
    inner = {"StartAt": "In", "States": {"In": task("aws-sdk:sns:publisch", {})}}
    for state in (
        {"Type": "Parallel", "Branches": [inner], "End": True},
        {"Type": "Map", "ItemProcessor": inner, "End": True},
    ):
        with pytest.raises(ClientError, match=r"publisch is not recognized.*/States/In/Resource"):
            machines.create({"Out": state}, machines.role())


def test_a_job_needs_a_role_that_may_create_the_managed_rule(machines: StateMachines) -> None:
    with pytest.raises(ClientError, match="is not authorized to create managed-rule"):
        machines.create(
            {"Only": task("sagemaker:createTrainingJob.sync", JOB)}, machines.role(*RULES[:2])
        )


def test_a_template_with_such_a_machine_fails(machines: StateMachines, client: Client) -> None:
    cloudformation = client("cloudformation")
    definition = {"StartAt": "Only", "States": {"Only": task("aws-sdk:s3:getObjekt", {})}}
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": machines.role(),
            "DefinitionString": json.dumps({"QueryLanguage": "JSONata", **definition}),
        },
    }
    cloudformation.create_stack(
        StackName="machine-test",
        TemplateBody=json.dumps({"Resources": {"Machine": machine}}),
        OnFailure="DO_NOTHING",
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        (stack,) = cloudformation.describe_stacks(StackName="machine-test")["Stacks"]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.1)
    events = cloudformation.describe_stack_events(StackName="machine-test")["StackEvents"]
    cloudformation.delete_stack(StackName="machine-test")
    assert stack["StackStatus"] == "CREATE_FAILED"
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("aws-sdk:s3:getObjekt is not recognized" in reason for reason in reasons)


def test_an_expression_with_an_unknown_field_fails_the_execution(machines: StateMachines) -> None:
    state = task("aws-sdk:sagemaker:listModelPackages", {})
    state["Arguments"] = "{% $states.input %}"
    execution = machines.run(state, given={"Group": "x"})
    assert execution["error"] == "States.Runtime"
    assert 'The field "Group" is not supported by Step Functions' in execution["cause"]


@pytest.mark.parametrize(
    ("numbers", "is_accepted"), [([1, 2], True), ([1, 0.5], False), (["1", 2], False)]
)
def test_math_add_adds_integers_only(
    machines: StateMachines, numbers: list[Any], is_accepted: bool
) -> None:
    state = {
        "Type": "Pass", "End": True,
        "Parameters": {"sum.$": "States.MathAdd($.numbers[0], $.numbers[1])"},
    }  # fmt: skip
    execution = machines.run(state, given={"numbers": numbers}, language="JSONPath")
    if is_accepted:
        assert json.loads(execution["output"]) == {"sum": 3}
    else:
        assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
        assert "Invalid arguments in States.MathAdd" in execution["cause"]
