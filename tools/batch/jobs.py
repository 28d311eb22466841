"""The execution that runs a job of a run: starts it, follows it to its end, stops it."""

import json
import time
from typing import Final

from botocore.exceptions import ClientError

from tools.batch.runs import Run, outputs
from tools.batch.stage import BatchStage
from tools.console import ToolError
from tools.counted import counted
from tools.executions import Execution, describe_execution, execution_arn, find_execution
from tools.stage_access import LOCAL
from tools.status_line import status_line
from tools.terminal import printable

LOG_GROUP: Final = "/aws/sagemaker/TransformJobs"
_POLL_SECONDS: Final = 10.0
_LOCAL_POLL_SECONDS: Final = 0.5
# The results of a large run take long to list.
_MAX_SHARE_OF_LISTING: Final = 0.05


def latest_execution(stage: BatchStage, run: Run) -> Execution | None:
    """Return the execution of a run's latest attempt, None if none was started."""
    if run.attempt == 0:
        return None
    return find_execution(stage, execution_arn(stage, f"{run.name}-{run.attempt}"))


def start_execution(stage: BatchStage, run: Run) -> Execution:
    """Start the execution of a run's latest attempt, whose manifest is there."""
    name = f"{run.name}-{run.attempt}"
    try:
        stage.client("stepfunctions").start_execution(
            stateMachineArn=stage.state_machine_arn,
            name=name,
            input=json.dumps({"run": run.name, "attempt": run.attempt}),
        )
    except ClientError as error:
        # Another terminal has resumed the run.
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
    return describe_execution(stage, execution_arn(stage, name))


def follow(stage: BatchStage, run: Run, arn: str) -> Execution:
    """Show the number of results until an execution has ended; return it."""
    began, count = time.monotonic(), 0

    def so_far() -> str:
        state = "" if count else ", the machines are starting"
        results = f"{count:,} of {counted(len(run.names), 'result')}"
        return f"  {results}{state}, {time.monotonic() - began:.0f} s so far"

    with status_line(so_far):
        while True:
            execution = describe_execution(stage, arn)
            if not execution.is_running:
                return execution
            listing = time.monotonic()
            count = len(outputs(stage, run))
            share = (time.monotonic() - listing) / _MAX_SHARE_OF_LISTING
            poll = _LOCAL_POLL_SECONDS if stage.settings.stage == LOCAL else _POLL_SECONDS
            time.sleep(max(poll, share))


def stop(stage: BatchStage, run: Run) -> str:
    """Stop the execution of a run, and with it its job; return what was done."""
    execution = latest_execution(stage, run)
    if execution is None or not execution.is_running:
        return f"{run.name} has no running job."
    stage.client("stepfunctions").stop_execution(
        executionArn=execution.arn, error="Stopped", cause="Stopped by make batch STOP=1"
    )
    return f"The job of {run.name} is being stopped. {resume_advice(stage, run)}"


def resume_advice(stage: BatchStage, run: Run) -> str:
    """Return how to continue a run, in a sentence."""
    return f"`make batch RUN={run.name}{stage.option}` continues: it keeps what has a result."


def check_success(stage: BatchStage, run: Run, execution: Execution) -> None:
    """Check that an execution has succeeded.

    Raises:
        ToolError: it has not; the message has the reason and what to do.
    """
    if execution.status == "SUCCEEDED":
        return
    job, reason = _reason(execution)
    what = {
        "ABORTED": "was stopped",
        "TIMED_OUT": f"took longer than batch.max_runtime_seconds = "
        f"{stage.settings.batch.max_runtime_seconds} and was stopped",
    }.get(execution.status, "failed")
    cause = f": {printable(reason)}" if reason else "."
    log = f"\nIts log is in CloudWatch Logs, {LOG_GROUP}, {job}/." if job else ""
    raise ToolError(
        f"The job of {run.name} {what}{cause}{log}\n"
        f"{len(outputs(stage, run)):,} of {counted(len(run.names), 'image')} classified. "
        f"{resume_advice(stage, run)}"
    )


def _reason(execution: Execution) -> tuple[str, str]:
    """Return the job's name and the reason, of a cause that is its description in JSON."""
    try:
        described = json.loads(execution.cause)
        return described["TransformJobName"], described.get("FailureReason", "it was stopped")
    except (ValueError, TypeError, KeyError):
        return "", execution.cause or execution.error
