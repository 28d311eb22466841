"""The record of a training job, and how SageMaker describes it."""

import time
from collections.abc import Mapping
from typing import Any

from local_cloud.sagemaker.jobs.job import Job
from local_cloud.sagemaker.jobs.training.metrics import Metrics
from local_cloud.sagemaker.moto_backend import Scope

# The messages of SecondaryStatusTransitions, as SageMaker writes them.
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading the training image and input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
}
_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
)
_FLAGS = (
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)


class TrainingJob(Job):
    """One training job.

    Args:
        scope: account and region.
        request: CreateTrainingJob's parameters.
        tuning_job_arn: the tuning job that it is a trial of.
    """

    def __init__(
        self, scope: Scope, request: Mapping[str, Any], tuning_job_arn: str | None = None
    ) -> None:
        name = request["TrainingJobName"]
        arn = scope.arn("sagemaker", f"training-job/{name.lower()}")
        super().__init__(scope, arn, name, request)
        self.tuning_job_arn = tuning_job_arn
        self.metrics = Metrics(self.request["AlgorithmSpecification"].get("MetricDefinitions", []))
        self.transitions: list[dict[str, Any]] = []
        self.secondary_status = ""
        self.enter("Starting")

    @property
    def hosts(self) -> list[str]:
        """The names of the hosts."""
        count = self.request["ResourceConfig"]["InstanceCount"]
        return [f"algo-{number}" for number in range(1, count + 1)]

    @property
    def instance_type(self) -> str:
        """The instance type, which has no effect here."""
        return str(self.request["ResourceConfig"]["InstanceType"])

    @property
    def output_url(self) -> str:
        """The address below which the job's archives are stored, without a slash at the end."""
        path = self.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return f"{path}/{self.name}/output"

    @property
    def model_url(self) -> str:
        """The address of the model, as ModelArtifacts names it."""
        unpacked = self.request["OutputDataConfig"].get("CompressionType") == "NONE"
        return f"{self.output_url}/{'model/' if unpacked else 'model.tar.gz'}"

    def request_stop(self, kind: str) -> None:
        """Enter Stopping, and tell the job's thread.

        Raises:
            AwsError: the job has ended.
        """
        super().request_stop(kind)
        with self._lock:
            if self.end_time is None:
                self._enter("Stopping", None)

    def enter(self, secondary_status: str, status: str | None = None) -> None:
        """Enter a secondary status, and a status if one is given.

        A job that has ended or is being stopped enters no further stage of its work.
        """
        with self._lock:
            if self.end_time is None and (status or self.status != "Stopping"):
                self._enter(secondary_status, status)

    def _enter(self, secondary_status: str, status: str | None) -> None:
        now = time.time()
        if self.transitions:
            self.transitions[-1].setdefault("EndTime", now)
        message = _MESSAGES[secondary_status]
        if secondary_status == "Failed" and self.failure_reason:
            message = self.failure_reason
        self.transitions.append(
            {"Status": secondary_status, "StartTime": now, "StatusMessage": message}
        )
        self.last_modified_time = now
        self.secondary_status = secondary_status
        if secondary_status == "Downloading":
            self.start_time = now
        if status and status not in {"InProgress", "Stopping"}:
            self.transitions[-1]["EndTime"] = self.end_time = now
        # Last: a client that reads a final status reads the rest with it.
        self.status = status or self.status

    @property
    def _profiler_is_off(self) -> bool:
        configuration = self.request.get("ProfilerConfig")
        return configuration is None or bool(configuration.get("DisableProfiler"))

    def describe(self) -> dict[str, Any]:
        """Return DescribeTrainingJob's response."""
        described: dict[str, Any] = {
            **self.request,
            **{flag: bool(self.request.get(flag)) for flag in _FLAGS},
            "TrainingJobArn": self.arn,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.secondary_status,
            "SecondaryStatusTransitions": [dict(each) for each in self.transitions],
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "ModelArtifacts": {"S3ModelArtifacts": self.model_url},
            "ProfilingStatus": "Disabled" if self._profiler_is_off else "Enabled",
        }
        optional = {
            "TuningJobArn": self.tuning_job_arn,
            "FailureReason": self.failure_reason,
            "TrainingStartTime": self.start_time,
            "TrainingEndTime": self.end_time,
        }
        described |= {name: value for name, value in optional.items() if value is not None}
        if self.end_time and self.start_time:
            seconds = round(self.end_time - self.start_time)
            described |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        if metrics := self.metrics.final():
            described["FinalMetricDataList"] = metrics
        return described

    def summary(self) -> dict[str, Any]:
        """Return its entry in ListTrainingJobs."""
        described = self.describe()
        return {name: described[name] for name in _SUMMARY if name in described}
