"""An execution of the training state machine that goes on whenever its history is read."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from tests.tools.training.stage import EXECUTION

START = datetime(2026, 11, 27, 12, tzinfo=UTC)
JOB = "whippet-local-0123456789abcdef0123456789abcdef-1-0"


def entered(name: str, kind: str = "Task") -> dict[str, Any]:
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name}}


def scheduled(**parameters: Any) -> dict[str, Any]:
    details = {"parameters": json.dumps(parameters)}
    return {"type": "TaskScheduled", "taskScheduledEventDetails": details}


def created(member: str = "TrainingJobName", name: str = JOB) -> dict[str, Any]:
    return scheduled(**{member: name}, OutputDataConfig={})


def failed(error: str, cause: str) -> dict[str, Any]:
    return {"type": "TaskFailed", "taskFailedEventDetails": {"error": error, "cause": cause}}


class FakeServices:
    """Step Functions, SageMaker and CloudWatch Logs of one execution.

    Attributes:
        steps: each adds events to the history, `status`, `job` or `log` lines when the execution
            is described; the last one stays.
        started: input of each execution by its name.
        stopped: ARNs of executions and names of jobs that were stopped.
    """

    def __init__(self, *steps: dict[str, Any]) -> None:
        self.steps = list(steps)
        self.started: dict[str, Any] = {}
        self.stopped: list[str] = []
        self.described: dict[str, Any] = {"status": "RUNNING"}
        self._events: list[dict[str, Any]] = []
        self._job: dict[str, Any] = {}
        self._log: dict[str, list[str]] = {}
        self._trials: list[dict[str, Any]] = []

    def start_execution(self, **given: Any) -> dict[str, Any]:
        if given["name"] in self.started:
            raise error_of("ExecutionAlreadyExists")
        self.started[given["name"]] = json.loads(given["input"])
        return {"executionArn": f"{EXECUTION}:{given['name']}"}

    def stop_execution(self, **given: Any) -> None:
        self.stopped.append(given["executionArn"])

    def stop_training_job(self, **given: Any) -> None:
        self.stopped.append(given["TrainingJobName"])
        raise error_of("ValidationException")  # it is being stopped already

    def stop_hyper_parameter_tuning_job(self, **given: Any) -> None:
        self.stopped.append(given["HyperParameterTuningJobName"])

    def list_executions(self, **_: Any) -> dict[str, Any]:
        return {"executions": [{"name": name} for name in self.started]}

    def describe_execution(self, **given: Any) -> dict[str, Any]:
        if not self.steps:
            raise error_of("ExecutionDoesNotExist")
        step = self.steps[0] if len(self.steps) == 1 else self.steps.pop(0)
        if step.get("interrupted"):
            raise KeyboardInterrupt
        for event in step.pop("events", []):
            number = len(self._events) + 1
            time = START + timedelta(seconds=number)
            self._events.append({"id": number, "timestamp": time, **event})
        self._job = step.get("job", self._job)
        self._trials = step.get("trials", self._trials)
        for host, lines in step.pop("log", {}).items():
            self._log.setdefault(f"{JOB}/{host}-1764244800", []).extend(lines)
        self.described |= step.get("execution", {})
        return {"executionArn": given["executionArn"], "startDate": START, **self.described}

    def get_paginator(self, operation: str) -> Any:
        return _Paginator(getattr(self, f"_{operation}"))

    def describe_training_job(self, **given: Any) -> dict[str, Any]:
        if not self._job:
            raise error_of("ValidationException")
        assert given["TrainingJobName"] == JOB
        return {"LastModifiedTime": START, **self._job}

    def describe_hyper_parameter_tuning_job(self, **_: Any) -> dict[str, Any]:
        return {"HyperParameterTuningJobStatus": "InProgress", "LastModifiedTime": START}

    def get_log_events(self, **given: Any) -> dict[str, Any]:
        lines = self._log[given["logStreamName"]]
        begin = int(given.get("nextToken", 0))
        page = lines[begin : begin + 2]  # pages of two
        return {
            "events": [
                {"timestamp": START.timestamp() * 1000 + 1, "message": line} for line in page
            ],
            "nextForwardToken": str(begin + len(page)),
        }

    def _get_execution_history(self, **given: Any) -> Iterator[dict[str, Any]]:
        assert given["reverseOrder"] is True
        yield {"events": self._events[: -3 - 1 : -1]}
        yield {"events": self._events[-3 - 1 :: -1] if len(self._events) > 3 else []}

    def _describe_log_streams(self, **given: Any) -> Iterator[dict[str, Any]]:
        if not self._log:
            raise error_of("ResourceNotFoundException")
        prefix = given["logStreamNamePrefix"]
        names = [name for name in sorted(self._log) if name.startswith(prefix)]
        yield {"logStreams": [{"logStreamName": name} for name in names]}

    def _list_training_jobs_for_hyper_parameter_tuning_job(self, **_: Any) -> Sequence[Any]:
        return [{"TrainingJobSummaries": self._trials}]


class _Paginator:
    def __init__(self, pages: Any) -> None:
        self.paginate = pages


def error_of(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Operation")
