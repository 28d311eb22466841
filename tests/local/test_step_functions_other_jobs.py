"""Tuning and transform jobs of a state machine."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local.state_machines import StateMachines, allow, arn, machines, task
from tests.local_cloud.training_jobs import TRAINING_IMAGE, packed, resources
from tools.cdk import ROOT

__all__ = ["machines"]

Client = Callable[[str], Any]
Resources = Callable[[str, str], list[str]]
BUCKET = "machine-test-other-jobs"
PROGRAM = """
import sys, time
rate = float(sys.argv[sys.argv.index("--learning_rate") + 1])
print(f"test_accuracy={1 - rate}", flush=True)
time.sleep(600 if rate == 0.9 else 0)
"""


@pytest.fixture(scope="module", autouse=True)
def bucket(client: Client) -> Iterator[None]:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="source.tar.gz", Body=packed(train=PROGRAM))
    photo = (ROOT / "samples" / "cat.jpg").read_bytes()
    s3.put_object(Bucket=BUCKET, Key="photos/cat.jpg", Body=photo)
    yield
    for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def job_role(machines: StateMachines, *, reads: str = BUCKET) -> str:
    return machines.role(
        allow("s3:GetObject", f"arn:aws:s3:::{reads}/*"),
        allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*"),
        allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
        trusts="sagemaker.amazonaws.com",
    )


def permissions(kind: str, resource: str, rule: str, role: str) -> list[dict[str, Any]]:
    jobs = arn("sagemaker", f"{resource}/*")
    managed = arn("events", f"rule/StepFunctionsGetEventsForSageMaker{rule}Rule")
    return [
        *(allow(f"sagemaker:{verb}{kind}", jobs) for verb in ("Create", "Describe", "Stop")),
        allow("sagemaker:AddTags", jobs),
        *(allow(f"events:{each}", managed) for each in ("PutRule", "PutTargets", "DescribeRule")),
        allow("iam:PassRole", role),
    ]


def tuning(name: str, rates: list[str], role: str) -> dict[str, Any]:
    arguments = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {
                "Type": "Maximize",
                "MetricName": "test_accuracy",
            },
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "learning_rate", "Values": rates}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": TRAINING_IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": "test_accuracy", "Regex": "test_accuracy=([0-9.]+)"}
                ],
            },
            "RoleArn": role,
            "StaticHyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": f"s3://{BUCKET}/source.tar.gz",
            },
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training"},
            "ResourceConfig": resources(1),
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    }
    return task("sagemaker:createHyperParameterTuningJob.sync", arguments)


def test_a_tuning_job_is_waited_for(machines: StateMachines) -> None:
    role = job_role(machines)
    allowed = permissions(
        "HyperParameterTuningJob", "hyper-parameter-tuning-job", "TuningJobs", role
    )
    result = machines.result(tuning("machine-tuning", ["0.1", "0.2"], role), *allowed)
    assert result["HyperParameterTuningJobStatus"] == "Completed"
    best = result["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"learning_rate": "0.1"}
    assert isinstance(best["CreationTime"], int)


def test_a_stopped_execution_stops_its_tuning_job(machines: StateMachines, client: Client) -> None:
    role = job_role(machines)
    allowed = permissions(
        "HyperParameterTuningJob", "hyper-parameter-tuning-job", "TuningJobs", role
    )
    machine = machines.create(
        {"Only": tuning("machine-stopped", ["0.9", "0.1"], role)}, machines.role(*allowed)
    )
    execution = machines.start(machine)
    time.sleep(1.5)
    machines.states.stop_execution(executionArn=execution)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        described = client("sagemaker").describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="machine-stopped"
        )
        if described["HyperParameterTuningJobStatus"] == "Stopped":
            break
        time.sleep(0.1)
    assert described["HyperParameterTuningJobStatus"] == "Stopped"
    assert machines.ended(execution)["status"] == "ABORTED"


def test_a_transform_job_is_waited_for(
    machines: StateMachines, client: Client, stack_resources: Resources
) -> None:
    sagemaker = client("sagemaker")
    deployed = stack_resources("whippet-local-serving", "AWS::SageMaker::Model")[0]
    name = deployed.rpartition("/")[2]
    container = sagemaker.describe_model(ModelName=name)["PrimaryContainer"]
    artifacts = container["ModelDataUrl"].removeprefix("s3://").partition("/")[0]
    role = job_role(machines, reads=artifacts)
    sagemaker.create_model(
        ModelName="machine-test", ExecutionRoleArn=role, PrimaryContainer=container
    )
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/photos/"}
    state = task(
        "sagemaker:createTransformJob.sync",
        {
            "TransformJobName": "machine-transform",
            "ModelName": "machine-test",
            "TransformInput": {
                "DataSource": {"S3DataSource": source},
                "ContentType": "image/jpeg",
            },
            "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/predictions"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        },
    )
    result = machines.result(
        state, *permissions("TransformJob", "transform-job", "TransformJobs", role)
    )
    sagemaker.delete_model(ModelName="machine-test")
    assert result["TransformJobStatus"] == "Completed"
    stored = client("s3").get_object(Bucket=BUCKET, Key="predictions/cat.jpg.out")
    assert json.loads(stored["Body"].read())["predictions"]
