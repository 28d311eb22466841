"""What trains or classifies in a stage, and would write into buckets that are being deleted."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from stacks.names import EC2_TRAINER_TAG
from tools.aws import stack_resources
from tools.console import ToolError

_STATE_MACHINE: Final = "AWS::StepFunctions::StateMachine"
_LAUNCH_TEMPLATE: Final = "AWS::EC2::LaunchTemplate"
# A job that is being stopped still writes its output.
_RUNNING: Final = ("InProgress", "Stopping")


def check_nothing_runs(client: Callable[[str], Any], stage_name: str) -> None:
    """Check that no run, no job and no machine of a stage trains, and no batch job runs.

    Args:
        client: returns the client of a service.
        stage_name: such as whippet-dev.

    Raises:
        ToolError: one does; the message names all and how to end them.
    """
    stage = stage_name.partition("-")[2]
    resources = list(stack_resources(client("cloudformation"), f"{stage_name}-training"))
    found = [
        f"run {run}: make stop-training RUN={run} STAGE={stage}" for run in _runs(client, resources)
    ]
    if resources:
        found += _jobs(client("sagemaker"), stage_name)
    if any(kind == _LAUNCH_TEMPLATE for kind, _ in resources):
        found += _machines(client("ec2"), stage_name)
    batch = stack_resources(client("cloudformation"), f"{stage_name}-batch")
    found += [
        # An execution's name has the number of the run's job after its own.
        f"batch job {run}: make batch RUN={run.rpartition('-')[0]} STOP=1 STAGE={stage}"
        for run in _runs(client, list(batch))
    ]
    if found:
        listed = "".join(f"\n  {line}" for line in found)
        raise ToolError(
            f"{stage_name} still has jobs that run, and nothing was deleted:{listed}\n"
            "Wait for its end or stop it, then run the same command again."
        )


def _runs(client: Callable[[str], Any], resources: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the names of the executions that run, of the state machines among some resources."""
    for machine in (name for kind, name in resources if kind == _STATE_MACHINE):
        pages = (
            client("stepfunctions")
            .get_paginator("list_executions")
            .paginate(stateMachineArn=machine, statusFilter="RUNNING")
        )
        yield from (str(run["name"]) for page in pages for run in page["executions"])


def _jobs(sagemaker: Any, stage_name: str) -> Iterator[str]:
    prefix = f"{stage_name}-"
    for operation, summaries, name, command in (
        (
            "list_hyper_parameter_tuning_jobs", "HyperParameterTuningJobSummaries",
            "HyperParameterTuningJobName",
            "stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name",
        ),
        (
            "list_training_jobs", "TrainingJobSummaries", "TrainingJobName",
            "stop-training-job --training-job-name",
        ),
    ):  # fmt: skip
        for status in _RUNNING:
            pages = sagemaker.get_paginator(operation).paginate(
                StatusEquals=status, NameContains=prefix
            )
            for job in (job[name] for page in pages for job in page[summaries]):
                if job.startswith(prefix):
                    yield f"job {job}, {status}: aws sagemaker {command} {job}"


def _machines(ec2: Any, stage_name: str) -> Iterator[str]:
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[
            {"Name": f"tag:{EC2_TRAINER_TAG}", "Values": [stage_name]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
    )
    for reservation in (each for page in pages for each in page["Reservations"]):
        for instance in reservation["Instances"]:
            id_ = instance["InstanceId"]
            yield f"machine {id_}: aws ec2 terminate-instances --instance-ids {id_}"
