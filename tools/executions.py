"""Executions of a stage's state machines: their names, and how far they are."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from tools.console import ToolError
from tools.stage_access import StageWithMachine

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


def default_run_name(images: str, max_length: int) -> str:
    """Return a name of the images and the time.

    Args:
        images: name of the dataset or of the folder.
        max_length: of the whole name.
    """
    beginning = images[: max_length - TIME_LENGTH].rstrip("-")
    return f"{beginning}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


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


def _name_of(arn: str) -> str:
    return arn.rpartition(":")[2]


def _known(stage: StageWithMachine) -> str:
    listed = stage.client("stepfunctions").list_executions(
        stateMachineArn=stage.state_machine_arn, maxResults=5
    )["executions"]
    names = ", ".join(each["name"] for each in listed)
    return f"; the latest are {names}" if names else ""
