"""The record of a tuning job and of its trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_cloud.sagemaker.jobs.job import UNFINISHED, Job
from local_cloud.sagemaker.jobs.training.record import TrainingJob
from local_cloud.sagemaker.jobs.tuning.candidates import Tuned
from local_cloud.sagemaker.moto_backend import Scope

_SUMMARY = (
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobArn",
    "HyperParameterTuningJobStatus",
    "CreationTime",
    "HyperParameterTuningEndTime",
    "LastModifiedTime",
    "TrainingJobStatusCounters",
    "ObjectiveStatusCounters",
)
_COUNTERS = {"Completed": "Completed", "Stopped": "Stopped", "Failed": "NonRetryableError"}


@dataclass(frozen=True)
class Trial:
    """One training job of a tuning job.

    Attributes:
        job: the training job.
        tuned: its hyperparameters from the ranges.
        metric: the name of the objective's metric.
    """

    job: TrainingJob
    tuned: Tuned
    metric: str

    @property
    def name(self) -> str:
        """The training job's name."""
        return self.job.name

    @property
    def objective(self) -> float | None:
        """The last value of the objective's metric, None without one."""
        values = {each["MetricName"]: each["Value"] for each in self.job.metrics.final()}
        return values.get(self.metric)

    @property
    def objective_status(self) -> str:
        """Whether the objective was measured: Succeeded, Pending or Failed."""
        if self.job.status in UNFINISHED:
            return "Pending"
        measured = self.job.status != "Failed" and self.objective is not None
        return "Succeeded" if measured else "Failed"

    def summary(self) -> dict[str, Any]:
        """Return its entry in ListTrainingJobsForHyperParameterTuningJob."""
        optional: dict[str, Any] = {
            "TrainingStartTime": self.job.start_time,
            "TrainingEndTime": self.job.end_time,
            "FailureReason": self.job.failure_reason,
        }
        if (value := self.objective) is not None:
            optional["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "MetricName": self.metric,
                "Value": value,
            }
        return {
            "TrainingJobName": self.job.name,
            "TrainingJobArn": self.job.arn,
            "CreationTime": self.job.creation_time,
            "TrainingJobStatus": self.job.status,
            "TunedHyperParameters": self.tuned,
            "ObjectiveStatus": self.objective_status,
            **{name: value for name, value in optional.items() if value is not None},
        }


class TuningJob(Job):
    """One tuning job.

    Args:
        scope: account and region.
        request: CreateHyperParameterTuningJob's parameters.
    """

    def __init__(self, scope: Scope, request: Mapping[str, Any]) -> None:
        name = request["HyperParameterTuningJobName"]
        arn = scope.arn("sagemaker", f"hyper-parameter-tuning-job/{name.lower()}")
        super().__init__(scope, arn, name, request)
        self.configuration = self.request["HyperParameterTuningJobConfig"]
        self.trials: list[Trial] = []

    @property
    def objective(self) -> dict[str, str]:
        """The objective: Type and MetricName."""
        found: dict[str, str] = self.configuration["HyperParameterTuningJobObjective"]
        return found

    @property
    def best(self) -> Trial | None:
        """The completed trial with the best objective so far; of equals, the first."""
        measured = [
            (value, trial)
            for trial in self.trials
            if trial.job.status == "Completed" and (value := trial.objective) is not None
        ]
        if not measured:
            return None
        choose = max if self.objective["Type"] == "Maximize" else min
        return choose(measured, key=lambda each: each[0])[1]

    def trial_request(self, name: str, tuned: Tuned) -> dict[str, Any]:
        """Return CreateTrainingJob's parameters of a trial."""
        definition = dict(self.request["TrainingJobDefinition"])
        hyperparameters = {
            **definition.pop("StaticHyperParameters", {}),
            **tuned,
            "_tuning_objective_metric": self.objective["MetricName"],
        }
        definition.pop("DefinitionName", None)
        return {
            **definition,
            "TrainingJobName": name,
            "HyperParameters": hyperparameters,
            "Tags": list(self.tags),
        }

    def describe(self) -> dict[str, Any]:
        """Return DescribeHyperParameterTuningJob's response."""
        trials = list(self.trials)
        statuses = [trial.job.status for trial in trials]
        objectives = [trial.objective_status for trial in trials]
        described: dict[str, Any] = {
            **self.request,
            "HyperParameterTuningJobArn": self.arn,
            "HyperParameterTuningJobStatus": self.status,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "TrainingJobStatusCounters": {
                "InProgress": sum(status in UNFINISHED for status in statuses),
                "RetryableError": 0,
                **{name: statuses.count(status) for status, name in _COUNTERS.items()},
            },
            "ObjectiveStatusCounters": {
                name: objectives.count(name) for name in ("Succeeded", "Pending", "Failed")
            },
        }
        best = self.best
        optional = {
            "BestTrainingJob": best.summary() if best else None,
            "HyperParameterTuningEndTime": self.end_time,
            "FailureReason": self.failure_reason,
        }
        return described | {name: value for name, value in optional.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """Return its entry in ListHyperParameterTuningJobs."""
        described = self.describe()
        return {name: described[name] for name in _SUMMARY if name in described} | {
            "Strategy": self.configuration["Strategy"],
            "ResourceLimits": self.configuration["ResourceLimits"],
        }
