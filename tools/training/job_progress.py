"""What a training job or a tuning job has done: its states and its log."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from tools.stage_access import Client
from tools.terminal import printable

LOG_GROUP: Final = "/aws/sagemaker/TrainingJobs"
_MISSING: Final = {"ResourceNotFound", "ResourceNotFoundException", "ValidationException"}


@dataclass(frozen=True)
class Line:
    """A line for the user."""

    time: datetime
    text: str


@dataclass
class TrainingJobProgress:
    """A training job.

    Attributes:
        client: returns the client of a service.
        name: of the job.
        status: its last one.
    """

    client: Client
    name: str
    status: str = ""
    _tokens: dict[str, str] = field(default_factory=dict)

    def new_lines(self) -> list[Line]:
        """Return the states that the job entered and the lines that it wrote since the last call.

        Its log comes before a state that ends it.
        """
        states = list(self._states())
        log = list(self._log())
        return sorted(log + states, key=lambda line: line.time) if log else states

    def _states(self) -> Iterator[Line]:
        try:
            job = self.client("sagemaker").describe_training_job(TrainingJobName=self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return  # it is being created, or was refused
        status = job.get("SecondaryStatus") or job["TrainingJobStatus"]
        if status == self.status:
            return
        first = not self.status
        self.status = status
        began = f" {self.name}" if first else ""
        reason = job.get("FailureReason", "")
        yield Line(
            job.get("LastModifiedTime") or datetime.now(UTC),
            f"Training job{began}: {status}" + (f": {printable(reason)}" if reason else ""),
        )

    def _log(self) -> Iterator[Line]:
        logs = self.client("logs")
        try:
            pages = logs.get_paginator("describe_log_streams").paginate(
                logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self.name}/"
            )
            streams = [each["logStreamName"] for page in pages for each in page["logStreams"]]
            for stream in streams:
                for event in self._events(logs, stream):
                    host = f"{_host(stream)} " if len(streams) > 1 else ""
                    time = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                    for text in event["message"].splitlines():
                        yield Line(time, f"  {host}| {printable(text)}")
        except ClientError as error:
            # The group exists after the first line of any job.
            if error.response["Error"]["Code"] not in _MISSING:
                raise

    def _events(self, logs: Any, stream: str) -> Iterator[dict[str, Any]]:
        while True:
            token = self._tokens.get(stream)
            given = {"nextToken": token} if token else {"startFromHead": True}
            page = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, **given)
            yield from page["events"]
            self._tokens[stream] = page["nextForwardToken"]
            # The end is where CloudWatch returns the token that it was given.
            if page["nextForwardToken"] == token or not page["events"]:
                return


@dataclass
class TuningJobProgress:
    """A tuning job: the trials that ended, and how good they are.

    Attributes:
        client: returns the client of a service.
        name: of the tuning job.
        status: its last one.
    """

    client: Client
    name: str
    status: str = ""
    _reported: dict[str, str] = field(default_factory=dict)

    def new_lines(self) -> list[Line]:
        """Return what has happened since the last call."""
        sagemaker = self.client("sagemaker")
        try:
            job = sagemaker.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=self.name
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return []
        lines = list(self._trials(sagemaker))
        status = job["HyperParameterTuningJobStatus"]
        if status != self.status:
            began = "" if self.status else f" {self.name}"
            self.status = status
            reason = job.get("FailureReason", "")
            text = f"Tuning job{began}: {status}" + (f": {printable(reason)}" if reason else "")
            place = 0 if status == "InProgress" else len(lines)
            lines.insert(place, Line(job.get("LastModifiedTime") or datetime.now(UTC), text))
        return lines

    def _trials(self, sagemaker: Any) -> Iterator[Line]:
        pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        for page in pages.paginate(
            HyperParameterTuningJobName=self.name, SortBy="CreationTime", SortOrder="Ascending"
        ):
            for trial in page["TrainingJobSummaries"]:
                name, status = trial["TrainingJobName"], trial["TrainingJobStatus"]
                if self._reported.get(name) != status:
                    self._reported[name] = status
                    number = list(self._reported).index(name) + 1
                    yield Line(datetime.now(UTC), f"  Trial {number}: {_describe(trial)}")


def _describe(trial: dict[str, Any]) -> str:
    values = ", ".join(
        f"{name} = {value}" for name, value in sorted(trial.get("TunedHyperParameters", {}).items())
    )
    metric = trial.get("FinalHyperParameterTuningJobObjectiveMetric")
    result = f", {metric['MetricName']} {metric['Value']:.4f}" if metric else ""
    reason = f": {printable(trial['FailureReason'])}" if trial.get("FailureReason") else ""
    return f"{values}{values and ': '}{trial['TrainingJobStatus']}{result}{reason}"


def _host(stream: str) -> str:
    """Return the host of a stream: <job>/algo-<n>-<epoch>."""
    return stream.rpartition("/")[2].rpartition("-")[0]
