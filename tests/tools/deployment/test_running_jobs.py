"""`make destroy` of a stage that still trains or classifies."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tools.console import ToolError
from tools.deployment.running_jobs import check_nothing_runs

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:Trainer"
JOB = "whippet-dev-0123456789abcdef0123456789abcdef-1-0"
TUNING = "whippet-dev-0123456"
STOP_TUNING = "stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name"
BATCH_RUN = "photos-20261127-101500"
INSTANCE = "i-0123456789abcdef0"


def client_of(service: str) -> Any:
    return boto3.client(service, "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


class Account:
    """Stubs of the services that a check calls, in the order of its calls."""

    def __init__(self, *, batch: str | None = None, **resources: str) -> None:
        names = ("cloudformation", "stepfunctions", "sagemaker", "ec2")
        self.clients = {name: client_of(name) for name in names}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        self._add_stack("training", resources)
        self._add_stack("batch", {batch: TRAINING["machine"]} if batch else {})

    def _add_stack(self, purpose: str, resources: dict[str, str]) -> None:
        summaries = [
            {"LogicalResourceId": name, "ResourceType": kind.replace("_", "::")}
            | {"PhysicalResourceId": name, "LastUpdatedTimestamp": 0}
            | {"ResourceStatus": "CREATE_COMPLETE"}
            for name, kind in resources.items()
        ]
        self.stubs["cloudformation"].add_response(
            "list_stack_resources",
            {"StackResourceSummaries": summaries},
            {"StackName": f"whippet-dev-{purpose}"},
        )

    def add_runs(self, *names: str, machine: str = "machine") -> None:
        runs = [
            {"name": name, "executionArn": f"{MACHINE}:{name}", "stateMachineArn": MACHINE}
            | {"status": "RUNNING", "startDate": 0}
            for name in names
        ]
        self.stubs["stepfunctions"].add_response(
            "list_executions",
            {"executions": runs},
            {"stateMachineArn": machine, "statusFilter": "RUNNING"},
        )

    def add_jobs(self, operation: str, member: str, **names: list[str]) -> None:
        counters: dict[str, Any] = {"TrainingJobStatusCounters": {}, "ObjectiveStatusCounters": {}}
        more = {"Strategy": "Random", **counters} if member.startswith("Hyper") else {}
        for status in ("InProgress", "Stopping"):
            jobs = [
                {f"{member}Name": name, f"{member}Arn": "arn", f"{member}Status": status}
                | {"CreationTime": 0, **more}
                for name in names.get(status, [])
            ]
            self.stubs["sagemaker"].add_response(
                operation,
                {f"{member}Summaries": jobs},
                {"StatusEquals": status, "NameContains": "whippet-dev-"},
            )

    def add_machines(self, *ids: str) -> None:
        self.stubs["ec2"].add_response(
            "describe_instances",
            {"Reservations": [{"Instances": [{"InstanceId": each} for each in ids]}]},
            {
                "Filters": [
                    {"Name": "tag:whippet-trainer", "Values": ["whippet-dev"]},
                    {"Name": "instance-state-name", "Values": ["pending", "running"]},
                ]
            },
        )

    def check(self) -> None:
        for stub in self.stubs.values():
            stub.activate()
        check_nothing_runs(self.clients.__getitem__, "whippet-dev")
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


TRAINING = {"machine": "AWS_StepFunctions_StateMachine"}


def test_everything_that_trains_is_named_with_the_command_that_ends_it() -> None:
    account = Account(**TRAINING, template="AWS_EC2_LaunchTemplate", batch="classifier")
    account.add_runs("flowers-1")
    account.add_jobs(
        "list_hyper_parameter_tuning_jobs", "HyperParameterTuningJob", InProgress=[TUNING]
    )
    account.add_jobs("list_training_jobs", "TrainingJob", Stopping=[f"my-{JOB}", JOB])
    account.add_machines(INSTANCE)
    account.add_runs(f"{BATCH_RUN}-2", machine="classifier")
    with pytest.raises(ToolError) as told:
        account.check()
    assert str(told.value).splitlines() == [
        "whippet-dev still has jobs that run, and nothing was deleted:",
        "  run flowers-1: make stop-training RUN=flowers-1 STAGE=dev",
        f"  job {TUNING}, InProgress: aws sagemaker {STOP_TUNING} {TUNING}",
        f"  job {JOB}, Stopping: aws sagemaker stop-training-job --training-job-name {JOB}",
        f"  machine {INSTANCE}: aws ec2 terminate-instances --instance-ids {INSTANCE}",
        f"  batch job {BATCH_RUN}-2: make batch RUN={BATCH_RUN} STOP=1 STAGE=dev",
        "Wait for its end or stop it, then run the same command again.",
    ]


def test_a_stage_that_does_not_train_may_be_deleted() -> None:
    account = Account(**TRAINING)
    account.add_runs()
    account.add_jobs("list_hyper_parameter_tuning_jobs", "HyperParameterTuningJob")
    account.add_jobs("list_training_jobs", "TrainingJob")
    account.check()
    Account().check()  # it has no stack that trains
