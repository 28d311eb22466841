"""Executions of the state machine that trains: start, find, stop."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.components.training.execution_input import MAX_NAME_LENGTH
from tools.console import ToolError
from tools.stage_access import StageWithMachine
from tools.training.history import History, JobStarted
from tools.training.stage import TrainingStage

_NAME: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME_LENGTH}}}")
_NOT_RUNNING: Final = {"ResourceNotFound", "ValidationException"}
TIME_LENGTH: Final = len("-20261127-153059")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution as it is now.

    Attributes:
        name: of the execution.
        arn: of the execution.
        status: in the words of Step Functions, such as RUNNING.
        output: of a successful one.
        error, cause: of one that has failed.
        started: when it was started.
    """

    name: str
    arn: str
    status: str
    output: dict[str, Any]
    error: str
    cause: str
    started: datetime

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status == "RUNNING"


def check_run_name(name: str) -> str | None:
    """Return why a text cannot name an execution, or None."""
    if _NAME.fullmatch(name):
        return None
    return f"{name!r} is not valid; expected 1 to {MAX_NAME_LENGTH} letters, digits, - and _"


def default_run_name(images: str, max_length: int = MAX_NAME_LENGTH) -> str:
    """Return a name of the images and the time.

    Args:
        images: name of the dataset or of the folder.
        max_length: of the whole name.
    """
    beginning = images[: max_length - TIME_LENGTH].rstrip("-")
    return f"{beginning}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def start_execution(stage: TrainingStage, name: str, content: dict[str, Any]) -> str:
    """Start an execution; return its ARN.

    Args:
        stage: that trains.
        name: of the execution.
        content: its input.

    Raises:
        ToolError: an execution has this name.
    """
    states = stage.client("stepfunctions")
    try:
        started = states.start_execution(
            stateMachineArn=stage.state_machine_arn, name=name, input=json.dumps(content)
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
        raise ToolError(
            f"RUN={name}: the stage {stage.settings.stage} has had a run of this name; leave RUN "
            f"out or take another. `make watch RUN={name}{stage.option}` shows that run."
        ) from error
    return str(started["executionArn"])


def execution_arn(stage: StageWithMachine, name: str) -> str:
    """Return the ARN of an execution, whether or not there is one."""
    return f"{stage.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def find_execution(stage: StageWithMachine, arn: str) -> Execution | None:
    """Return an execution as it is now, or None if there is none."""
    try:
        found = stage.client("stepfunctions").describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        return None
    return Execution(
        name=_name_of(arn),
        arn=arn,
        status=found["status"],
        output=json.loads(found.get("output") or "{}"),
        error=found.get("error", ""),
        cause=found.get("cause", ""),
        started=found["startDate"],
    )


def describe_execution(stage: StageWithMachine, arn: str) -> Execution:
    """Return an execution as it is now.

    Raises:
        ToolError: there is none.
    """
    found = find_execution(stage, arn)
    if found is None:
        raise ToolError(
            f"RUN={_name_of(arn)}: the stage {stage.settings.stage} has no run of this name"
            f"{_known(stage)}."
        )
    return found


def stop_execution(stage: TrainingStage, arn: str) -> None:
    """Stop an execution and what it has started.

    Step Functions stops a job that it waits for itself, but not one that the state machine looks at
    from time to time.
    """
    states, sagemaker = stage.client("stepfunctions"), stage.client("sagemaker")
    states.stop_execution(executionArn=arn, error="Stopped", cause="Stopped by make stop-training")
    for event in History(states, arn).new_events():
        if isinstance(event, JobStarted):
            stop_job(sagemaker, event.name, is_tuning=event.is_tuning)


def stop_job(sagemaker: Any, name: str, *, is_tuning: bool) -> None:
    """Stop a job unless it has ended, is being stopped or was never created."""
    try:
        if is_tuning:
            sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        else:
            sagemaker.stop_training_job(TrainingJobName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_RUNNING:
            raise


def _name_of(arn: str) -> str:
    return arn.rpartition(":")[2]


def _known(stage: StageWithMachine) -> str:
    listed = stage.client("stepfunctions").list_executions(
        stateMachineArn=stage.state_machine_arn, maxResults=5
    )["executions"]
    names = ", ".join(each["name"] for each in listed)
    return f"; the latest are {names}" if names else ""
