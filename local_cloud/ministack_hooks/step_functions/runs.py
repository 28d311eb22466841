"""Executions that can be stopped: MiniStack's StopExecution only sets a status.

MiniStack runs an execution in a thread of its own, which goes on after StopExecution, and the end
of the thread overwrites the status. It does not apply a state machine's TimeoutSeconds.
"""

import contextvars
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

# No retrier and no catcher matches this error, not even States.ALL.
_ENDED = "ExecutionEnded"
# "Error names" of the Step Functions developer guide: States.ALL does not match them.
_UNMATCHED_BY_ALL = {"States.DataLimitExceeded", "States.Runtime"}
_LAST_EVENTS = {
    "ExecutionAborted",
    "ExecutionFailed",
    "ExecutionSucceeded",
    "ExecutionTimedOut",
}


@dataclass
class Run:
    """One execution of a state machine.

    Attributes:
        execution: MiniStack's record.
        role_arn: the role of the state machine when the execution began.
        ended: set when the execution was stopped, failed or timed out.
    """

    execution: dict[str, Any]
    role_arn: str
    ended: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise an error that ends the execution's thread if the execution has ended."""
        if self.ended.is_set():
            raise stepfunctions._ExecutionError(_ENDED, "The execution has ended.")


_run: ContextVar[Run | None] = ContextVar("run", default=None)
_task_expired: ContextVar[threading.Event | None] = ContextVar("task_expired", default=None)
_runs: dict[str, Run] = {}
_changing = threading.Lock()


def current_run() -> Run | None:
    """Return the execution that the current thread works for."""
    return _run.get()


def is_cancelled(run: Run) -> bool:
    """Return whether the execution, or the time of its current task, has ended."""
    expired = _task_expired.get()
    return run.ended.is_set() or (expired is not None and expired.is_set())


def install_runs() -> None:
    """Let StopExecution and TimeoutSeconds end an execution, and keep its status."""
    stepfunctions._run_execution = _recorded(stepfunctions._run_execution)
    stepfunctions._stop_execution = _stopping(stepfunctions._stop_execution)
    stepfunctions._fail_execution = _failing(stepfunctions._fail_execution)
    stepfunctions._add_event = _until_the_end(stepfunctions._add_event)
    stepfunctions._error_matches = _matching(stepfunctions._error_matches)
    stepfunctions._invoke_resource_with_timeout = _expiring(
        stepfunctions._invoke_resource_with_timeout
    )


def _recorded(original: Callable[[str], None]) -> Callable[[str], None]:
    def run_execution(arn: str) -> None:
        execution = stepfunctions._executions.get(arn) or {}
        machine = stepfunctions._state_machines.get(execution.get("stateMachineArn"))
        if not machine:
            original(arn)
            return
        run = Run(execution, machine["roleArn"])
        token = _run.set(run)
        _runs[arn] = run
        # Stopped before its thread began.
        if execution["status"] != "RUNNING":
            run.ended.set()
        try:
            with _time_limit(run, machine["definition"]):
                original(arn)
        finally:
            del _runs[arn]
            _run.reset(token)

    return run_execution


@contextmanager
def _time_limit(run: Run, definition: str) -> Iterator[None]:
    """Apply the TimeoutSeconds of the whole state machine."""
    try:
        seconds = json.loads(definition).get("TimeoutSeconds")
    except (ValueError, AttributeError):
        seconds = None  # MiniStack reports the invalid definition
    if seconds is None:
        yield
        return
    scope = contextvars.copy_context()
    timer = threading.Timer(seconds, scope.run, (_time_out, run))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _time_out(run: Run) -> None:
    with _changing:
        if run.execution["status"] != "RUNNING":
            return
        run.execution |= {"status": "TIMED_OUT", "stopDate": now_iso()}
    stepfunctions._add_event(run.execution, "ExecutionTimedOut", None)
    run.ended.set()
    stepfunctions._emit_execution_status_event(run.execution)


def _stopping(original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def stop(data: dict[str, Any]) -> Any:
        with _changing:
            response = original(data)
        run = _runs.get(data.get("executionArn", ""))
        if run and run.execution["status"] == "ABORTED":
            run.ended.set()
        return response

    return stop


def _failing(original: Callable[..., None]) -> Callable[..., None]:
    def fail(execution: dict[str, Any], error: str, cause: str) -> None:
        with _changing:
            if execution["status"] == "RUNNING":
                original(execution, error, cause)

    return fail


def _until_the_end(original: Callable[..., Any]) -> Callable[..., Any]:
    def add(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> Any:
        if execution["status"] != "RUNNING" and kind not in _LAST_EVENTS:
            return None
        return original(execution, kind, details)

    return add


def _matching(original: Callable[[list[str], str], bool]) -> Callable[[list[str], str], bool]:
    def matches(names: list[str], error: str) -> bool:
        if error == _ENDED:
            return False
        return error in names if error in _UNMATCHED_BY_ALL else original(names, error)

    return matches


def _expiring(original: Callable[..., Any]) -> Callable[..., Any]:
    def invoke(resource: str, arguments: Any, seconds: float) -> Any:
        expired = threading.Event()
        token = _task_expired.set(expired)
        try:
            return original(resource, arguments, seconds)
        finally:
            # The task's own thread may still wait, for example for a job that it then stops.
            expired.set()
            _task_expired.reset(token)

    return invoke
