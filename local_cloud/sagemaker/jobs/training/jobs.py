"""The operations of training jobs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local_cloud.processes import kill_processes_of_job
from local_cloud.sagemaker.errors import HostingError, validation_error
from local_cloud.sagemaker.jobs.events import announce
from local_cloud.sagemaker.jobs.job import JobTable
from local_cloud.sagemaker.jobs.listing import list_page
from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.jobs.training.checks import check_data, check_definition
from local_cloud.sagemaker.jobs.training.record import TrainingJob
from local_cloud.sagemaker.jobs.training.run import TrainingRun
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform

OpenStorage = Callable[[Scope, str, str | None], Storage]


class TrainingJobs:
    """Creates, describes, lists and stops training jobs.

    Args:
        platform: the emulator's other services.
        open_storage: opens S3 with a role's permissions; gets scope, role and the key of uploads.
        python: interpreter of the training environment.
        directory: folder of running jobs.
        logs: folder of the jobs' logs.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        open_storage: OpenStorage,
        python: Path,
        directory: Path,
        logs: Path,
    ) -> None:
        self._platform = platform
        self._open_storage = open_storage
        self._python = python
        self._directory = directory
        self._logs = logs
        self.table = JobTable[TrainingJob]()

    def create(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle CreateTrainingJob."""
        return {"TrainingJobArn": self.start(scope, parameters).arn}

    def check(self, scope: Scope, parameters: Mapping[str, Any]) -> Storage:
        """Check a job's definition, its role and its data; return the role's S3.

        Raises:
            AwsError: ValidationException.
        """
        check_definition(parameters)
        role_arn = parameters["RoleArn"]
        key = parameters["OutputDataConfig"].get("KmsKeyId")
        try:
            storage = self._open_storage(scope, role_arn, key)
        except HostingError as error:
            raise validation_error(str(error)) from error
        check_data(scope, role_arn, parameters.get("InputDataConfig", []), storage)
        return storage

    def start(
        self, scope: Scope, parameters: Mapping[str, Any], tuning_job_arn: str | None = None
    ) -> TrainingJob:
        """Start a training job, for a caller or a tuning job.

        Raises:
            AwsError: the request is invalid, or the name is taken.
        """
        storage = self.check(scope, parameters)
        job = TrainingJob(scope, parameters, tuning_job_arn)
        self.table.add(
            job,
            "Training job names must be unique within an AWS account and region, and a training "
            "job with this name already exists",
        )
        self._announce(job)
        found = self._platform.role_credentials(scope, parameters["RoleArn"], "SageMaker")
        run = TrainingRun(
            job,
            platform=self._platform,
            storage=storage,
            credentials={
                "AWS_ACCESS_KEY_ID": found.access_key_id,
                "AWS_SECRET_ACCESS_KEY": found.secret_access_key,
                "AWS_SESSION_TOKEN": found.session_token,
            },
            python=self._python,
            directory=job.folder_in(self._directory),
            logs=self._logs / job.name,
            changed=self._announce,
        )
        job.run_in_thread(run.run)
        return job

    def describe(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle DescribeTrainingJob."""
        return self.table.get(scope, parameters["TrainingJobName"]).describe()

    def list(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle ListTrainingJobs."""
        return list_page(
            self.table.of(scope), parameters, "TrainingJobSummaries", TrainingJob.summary
        )

    def stop(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle StopTrainingJob."""
        job = self.table.get(scope, parameters["TrainingJobName"])
        if not job.stop_requested.is_set() or job.end_time:
            job.request_stop("training job")
            self._announce(job)
        return {}

    def stop_all(self) -> None:
        """Kill every job, since the cloud ends."""
        self.table.end_all(lambda: kill_processes_of_job(self._directory))

    def _announce(self, job: TrainingJob) -> None:
        announce(self._platform, job, "SageMaker Training Job State Change")
