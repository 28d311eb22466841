"""The events of a task in an execution's history, as GetExecutionHistory gives them."""

import json
import re
from typing import Any

from ministack.core.responses import get_region
from ministack.services import stepfunctions

_OPTIMIZED = re.compile(r"arn:[a-z-]+:states:::(aws-sdk:[^:]+|[^:]+):(.+)")
_DETAILS = {
    "TaskFailed": "taskFailedEventDetails",
    "TaskScheduled": "taskScheduledEventDetails",
    "TaskSucceeded": "taskSucceededEventDetails",
}


def install_events() -> None:
    """Split a resource's ARN into type and resource, as AWS does."""
    original = stepfunctions._add_event

    def add(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> Any:
        member = _DETAILS.get(kind)
        found = _OPTIMIZED.fullmatch(details[member]["resource"]) if details and member else None
        if details and member and found:
            named = {"resourceType": found[1], "resource": found[2]}
            details = {member: {**details[member], **named}}
        return original(execution, kind, details)

    stepfunctions._add_event = add


def record_arguments(execution: dict[str, Any], resource: str, arguments: Any) -> None:
    """Add the arguments of a task to its event, which MiniStack writes without them."""
    found = _OPTIMIZED.fullmatch(resource)
    for event in reversed(execution["events"]):
        details = event.get("taskScheduledEventDetails")
        is_open = details and "parameters" not in details
        if is_open and (not found or details["resource"] == found[2]):
            details |= {"region": get_region(), "parameters": json.dumps(arguments)}
            return
