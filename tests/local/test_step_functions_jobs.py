"""A state machine starts training jobs, waits for them and stops them, as its role allows."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local.state_machines import StateMachines, allow, arn, machines, task
from tests.local_cloud.training_jobs import packed, resources

__all__ = ["machines"]

Client = Callable[[str], Any]
BUCKET = "machine-test-jobs"
ACTIONS = ["CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "AddTags"]
RULE = arn("events", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule")
RULES = [allow(f"events:{each}", RULE) for each in ("PutRule", "PutTargets", "DescribeRule")]
# Ends as it is told to: with a model, with an error, or when it is stopped.
PROGRAM = """
import os, sys, time
ending = sys.argv[sys.argv.index("--ending") + 1]
print("test_accuracy=0.9", flush=True)
if ending == "never":
    time.sleep(600)
if ending == "failure":
    with open(os.path.join(os.environ["SM_OUTPUT_DIR"], "failure"), "w") as file:
        file.write("no label has images")
    sys.exit(3)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.onnx"), "w") as file:
    file.write("weights")
"""


@pytest.fixture(scope="module", autouse=True)
def bucket(client: Client) -> Iterator[None]:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="source.tar.gz", Body=packed(train=PROGRAM))
    yield
    for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture(scope="module")
def job_role(machines: StateMachines) -> str:
    return machines.role(
        *(allow(f"s3:{each}Object", f"arn:aws:s3:::{BUCKET}/*") for each in ("Get", "Put")),
        allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
        trusts="sagemaker.amazonaws.com",
    )


def state(job_role: str, ending: str, **members: Any) -> dict[str, Any]:
    arguments = {
        # As the machine of the training stack names its jobs.
        "TrainingJobName": "{% $states.context.Execution.Name %}",
        "RoleArn": job_role,
        "AlgorithmSpecification": {
            "TrainingImage": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.14-cpu",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "test_accuracy", "Regex": r"test_accuracy=([0-9.]+)"}],
        },
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{BUCKET}/source.tar.gz",
            "ending": ending,
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training"},
        "ResourceConfig": resources(1),
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    return task("sagemaker:createTrainingJob.sync", arguments, **members)


def permissions(job_role: str, *, lacking: str = "") -> list[dict[str, Any]]:
    jobs = arn("sagemaker", "training-job/*")
    return [
        *RULES,
        *(allow(f"sagemaker:{each}", jobs) for each in ACTIONS if each != lacking),
        *([] if lacking == "PassRole" else [allow("iam:PassRole", job_role)]),
    ]


def describe(client: Client, execution: str) -> dict[str, Any]:
    name = execution.rpartition(":")[2]
    described: dict[str, Any] = client("sagemaker").describe_training_job(TrainingJobName=name)
    return described


def wait_for_status(client: Client, execution: str, *statuses: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        described = describe(client, execution)
        if described["TrainingJobStatus"] in statuses:
            return described
        time.sleep(0.1)
    pytest.fail(f"{described['TrainingJobStatus']} is not one of {statuses}")


def running(machines: StateMachines, client: Client, machine: str) -> str:
    """Start an execution; return its ARN once its job's program runs."""
    execution = machines.start(machine)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if describe(client, execution)["SecondaryStatus"] == "Training":
                return execution
        except client("sagemaker").exceptions.ClientError:
            pass  # not created yet
        time.sleep(0.1)
    pytest.fail(f"the job of {execution} does not train")


def stays(machines: StateMachines, execution: str, status: str) -> None:
    """Check that the end of the job changes nothing of an execution that has ended."""
    time.sleep(1)
    assert machines.ended(execution)["status"] == status
    events = machines.states.get_execution_history(executionArn=execution)["events"]
    last = {"ABORTED": "Aborted", "FAILED": "Failed", "TIMED_OUT": "TimedOut"}[status]
    assert events[-1]["type"] == f"Execution{last}"


def test_a_completed_job_is_the_result(machines: StateMachines, job_role: str) -> None:
    result = machines.result(state(job_role, "success"), *permissions(job_role))
    assert result["TrainingJobStatus"] == "Completed"
    assert result["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")
    (metric,) = result["FinalMetricDataList"]
    assert metric["Value"] == pytest.approx(0.9, abs=1e-6)
    # As Step Functions gives the times of this integration.
    assert abs(result["TrainingEndTime"] / 1000 - time.time()) < 60
    assert isinstance(result["TrainingEndTime"], int)
    tags = machines.client("sagemaker").list_tags(ResourceArn=result["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}]


def test_a_failed_job_is_the_cause(machines: StateMachines, job_role: str) -> None:
    execution = machines.run(state(job_role, "failure"), *permissions(job_role))
    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    described = json.loads(execution["cause"])
    assert described["TrainingJobStatus"] == "Failed"
    assert "no label has images" in described["FailureReason"]


@pytest.mark.parametrize("lacking", ["CreateTrainingJob", "AddTags", "DescribeTrainingJob"])
def test_a_missing_permission_of_the_machine_is_the_cause(
    machines: StateMachines, job_role: str, lacking: str
) -> None:
    execution = machines.run(state(job_role, "success"), *permissions(job_role, lacking=lacking))
    assert execution["error"] == "SageMaker.AmazonSageMakerException"
    assert f"not authorized to perform: sagemaker:{lacking} on resource: " in execution["cause"]


def test_a_machine_that_may_not_pass_the_jobs_role_starts_none(
    machines: StateMachines, job_role: str, client: Client
) -> None:
    execution = machines.run(state(job_role, "success"), *permissions(job_role, lacking="PassRole"))
    assert f"iam:PassRole on resource: {job_role} because" in execution["cause"]
    with pytest.raises(client("sagemaker").exceptions.ClientError, match="not found"):
        describe(client, execution["executionArn"])


def test_a_stopped_job_is_the_cause(machines: StateMachines, job_role: str, client: Client) -> None:
    machine = machines.create(
        {"Only": state(job_role, "never")}, machines.role(*permissions(job_role))
    )
    execution = running(machines, client, machine)
    client("sagemaker").stop_training_job(TrainingJobName=execution.rpartition(":")[2])
    ended = machines.ended(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(ended["cause"])["TrainingJobStatus"] == "Stopped"


def test_a_stopped_execution_stops_its_job(
    machines: StateMachines, job_role: str, client: Client
) -> None:
    machine = machines.create(
        {"Only": state(job_role, "never")}, machines.role(*permissions(job_role))
    )
    execution = running(machines, client, machine)
    machines.states.stop_execution(executionArn=execution)
    wait_for_status(client, execution, "Stopped")
    stays(machines, execution, "ABORTED")


def test_a_machine_that_may_not_stop_jobs_leaves_them(
    machines: StateMachines, job_role: str, client: Client
) -> None:
    role = machines.role(*permissions(job_role, lacking="StopTrainingJob"))
    execution = running(machines, client, machines.create({"Only": state(job_role, "never")}, role))
    machines.states.stop_execution(executionArn=execution)
    time.sleep(2)
    assert describe(client, execution)["TrainingJobStatus"] == "InProgress"
    assert machines.ended(execution)["status"] == "ABORTED"
    client("sagemaker").stop_training_job(TrainingJobName=execution.rpartition(":")[2])
    wait_for_status(client, execution, "Stopped")


@pytest.mark.parametrize("limit", ["task", "machine"])
def test_the_time_limit_stops_the_job(
    machines: StateMachines, job_role: str, client: Client, limit: str
) -> None:
    members: dict[str, Any] = {"TimeoutSeconds": 2}
    only = state(job_role, "never", **(members if limit == "task" else {}))
    machine = machines.create(
        {"Only": only},
        machines.role(*permissions(job_role)),
        **(members if limit == "machine" else {}),
    )
    execution = machines.start(machine)
    ended = machines.ended(execution)
    expected = {"task": ("FAILED", "States.Timeout"), "machine": ("TIMED_OUT", None)}
    assert (ended["status"], ended.get("error")) == expected[limit], ended.get("cause")
    wait_for_status(client, execution, "Stopped")
    stays(machines, execution, ended["status"])


def test_a_job_that_ends_sends_an_event(
    machines: StateMachines, job_role: str, client: Client
) -> None:
    sqs, events = client("sqs"), client("events")
    queue = sqs.create_queue(QueueName="machine-test-jobs")["QueueUrl"]
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Training Job State Change"],
        "detail": {"TrainingJobStatus": ["Completed"]},
    }
    events.put_rule(Name="machine-test-jobs", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": arn("sqs", "machine-test-jobs")}
    events.put_targets(Rule="machine-test-jobs", Targets=[target])
    execution = machines.run(state(job_role, "success"), *permissions(job_role))
    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    event = json.loads(received[0]["Body"])
    name = execution["executionArn"].rpartition(":")[2]
    assert event["detail"]["TrainingJobName"] == name
    assert event["resources"] == [arn("sagemaker", f"training-job/{name}")]
    events.remove_targets(Rule="machine-test-jobs", Ids=["queue"])
    events.delete_rule(Name="machine-test-jobs")
    sqs.delete_queue(QueueUrl=queue)
