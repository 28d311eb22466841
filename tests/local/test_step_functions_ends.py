"""How executions end: stopped, out of time, after retries."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.state_machines import StateMachines, machines, task

__all__ = ["machines"]

Client = Callable[[str], Any]
NEXT = {"Type": "Pass", "Output": "late", "End": True}
LONG: dict[str, Any] = {"Type": "Wait", "Seconds": 600, "Next": "After"}


def parallel(state: dict[str, Any]) -> dict[str, Any]:
    branch = {"StartAt": "In", "States": {"In": state, "After": NEXT}}
    return {
        "Type": "Parallel", "Branches": [branch], "Next": "After",
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "After"}],
    }  # fmt: skip


@pytest.mark.parametrize("first", [LONG, parallel({**LONG})], ids=["wait", "parallel"])
def test_a_stopped_execution_stays_aborted(machines: StateMachines, first: dict[str, Any]) -> None:
    machine = machines.create({"First": first, "After": NEXT}, machines.role())
    execution = machines.start(machine)
    time.sleep(0.5)
    machines.states.stop_execution(executionArn=execution, error="Stopped", cause="by a test")
    time.sleep(0.5)
    ended = machines.ended(execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Stopped", "by a test")
    assert "output" not in ended
    events = machines.states.get_execution_history(executionArn=execution)["events"]
    assert events[-1]["type"] == "ExecutionAborted"


def test_a_stopped_execution_retries_no_task(machines: StateMachines) -> None:
    state = task(
        "aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"},
        Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600}],
    )  # fmt: skip
    execution = machines.start(machines.create({"Only": state}, machines.role()))
    time.sleep(0.7)
    machines.states.stop_execution(executionArn=execution)
    time.sleep(0.3)
    events = machines.states.get_execution_history(executionArn=execution)["events"]
    kinds = [event["type"] for event in events]
    assert kinds[-1] == "ExecutionAborted"
    assert kinds.count("TaskScheduled") == 1
    assert machines.ended(execution)["status"] == "ABORTED"


def test_an_execution_has_the_time_limit_of_its_machine(machines: StateMachines) -> None:
    machine = machines.create(
        {"First": parallel({**LONG}), "After": NEXT}, machines.role(), TimeoutSeconds=1
    )
    began = time.monotonic()
    execution = machines.start(machine)
    ended = machines.ended(execution)
    assert ended["status"] == "TIMED_OUT"
    assert 0.9 < time.monotonic() - began < 10
    time.sleep(0.3)
    assert machines.ended(execution)["status"] == "TIMED_OUT"
    events = machines.states.get_execution_history(executionArn=execution)["events"]
    assert events[-1]["type"] == "ExecutionTimedOut"


def test_a_retry_waits_as_long_as_it_says(machines: StateMachines) -> None:
    state = task(
        "aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"},
        Retry=[
            {
                "ErrorEquals": ["S3.S3Exception"], "IntervalSeconds": 100, "BackoffRate": 3,
                "MaxDelaySeconds": 1, "MaxAttempts": 2,
            }
        ],
    )  # fmt: skip
    began = time.monotonic()
    execution = machines.run(state)
    assert execution["status"] == "FAILED"
    assert 2 < time.monotonic() - began < 20
