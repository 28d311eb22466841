"""What an execution of the state machine has done: its states, and the jobs that it started."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_TRAINING_JOB: Final = "TrainingJobName"
_TUNING_JOB: Final = "HyperParameterTuningJobName"


@dataclass(frozen=True)
class StateEntered:
    """The execution entered a state."""

    time: datetime
    name: str


@dataclass(frozen=True)
class JobStarted:
    """The execution started a training job, or one that tunes."""

    time: datetime
    name: str
    is_tuning: bool


@dataclass(frozen=True)
class TaskRefused:
    """A task failed; the state machine may try again."""

    time: datetime
    error: str
    cause: str


Event = StateEntered | JobStarted | TaskRefused


class History:
    """Reads the events of an execution once each.

    Args:
        states: boto3 client of Step Functions.
        arn: of the execution.
    """

    def __init__(self, states: Any, arn: str) -> None:
        self._states, self._arn = states, arn
        self._last_id = 0

    def new_events(self) -> list[Event]:
        """Return what has happened since the last call."""
        unread: list[dict[str, Any]] = []
        pages = self._states.get_paginator("get_execution_history").paginate(
            executionArn=self._arn, reverseOrder=True
        )
        for event in (event for page in pages for event in page["events"]):
            if event["id"] <= self._last_id:
                break
            unread.append(event)
        if unread:
            self._last_id = unread[0]["id"]
        return [found for event in reversed(unread) for found in _events_of(event)]


def _events_of(event: dict[str, Any]) -> Iterator[Event]:
    time = event["timestamp"]
    if entered := event.get("stateEnteredEventDetails"):
        # The others take no time.
        if event["type"] not in {"ChoiceStateEntered", "PassStateEntered"}:
            yield StateEntered(time, entered["name"])
    elif failed := event.get("taskFailedEventDetails"):
        yield TaskRefused(time, failed.get("error", ""), failed.get("cause", ""))
    elif scheduled := event.get("taskScheduledEventDetails"):
        given = _parameters(scheduled)
        for member in (_TUNING_JOB, _TRAINING_JOB):
            # A state that describes a job has its name too.
            if member in given and "OutputDataConfig" in json.dumps(given):
                yield JobStarted(time, given[member], is_tuning=member == _TUNING_JOB)
                return


def _parameters(scheduled: dict[str, Any]) -> dict[str, Any]:
    try:
        given = json.loads(scheduled.get("parameters") or "{}")
    except ValueError:  # shortened, where it is very long
        return {}
    return given if isinstance(given, dict) else {}
