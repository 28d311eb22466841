"""Executions of the state machine that trains: start, stop."""

import json
import re
from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.components.training.execution_input import MAX_NAME_LENGTH
from tools.console import ToolError
from tools.training.history import History, JobStarted
from tools.training.stage import TrainingStage

_NAME: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME_LENGTH}}}")
_NOT_RUNNING: Final = {"ResourceNotFound", "ValidationException"}


def check_run_name(name: str) -> str | None:
    """Return why a text cannot name an execution, or None."""
    if _NAME.fullmatch(name):
        return None
    return f"{name!r} is not valid; expected 1 to {MAX_NAME_LENGTH} letters, digits, - and _"


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
