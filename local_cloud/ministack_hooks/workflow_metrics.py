"""The metrics of state machines, which MiniStack does not record.

docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ministack.services import cloudwatch, stepfunctions

_NAMESPACE = "AWS/States"
_COUNTED = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


def install_workflow_metrics() -> None:
    """Record the start and the end of each execution where their events are sent."""
    stepfunctions._emit_execution_status_event = _counted(
        stepfunctions._emit_execution_status_event
    )


def _counted(original: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def emit(execution: dict[str, Any]) -> None:
        original(execution)
        dimensions = {"StateMachineArn": execution["stateMachineArn"]}
        name = _COUNTED.get(execution["status"])
        if execution.get("sync") or name is None:
            return
        cloudwatch.record_metric(_NAMESPACE, name, 1.0, "Count", dimensions)
        if execution["status"] != "RUNNING":
            took = _time(execution["stopDate"]) - _time(execution["startDate"])
            cloudwatch.record_metric(
                _NAMESPACE, "ExecutionTime", 1000 * took, "Milliseconds", dimensions
            )

    return emit


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
