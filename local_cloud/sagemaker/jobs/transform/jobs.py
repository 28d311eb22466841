"""The operations of transform jobs."""

from pathlib import Path
from typing import Any

from local_cloud.sagemaker.errors import AwsError, HostingError, validation_error
from local_cloud.sagemaker.hosting.hosting import Hosting
from local_cloud.sagemaker.jobs.events import announce
from local_cloud.sagemaker.jobs.job import JobTable
from local_cloud.sagemaker.jobs.listing import list_page
from local_cloud.sagemaker.jobs.training.checks import require_objects
from local_cloud.sagemaker.jobs.training.jobs import OpenStorage
from local_cloud.sagemaker.jobs.transform.checks import check_transform
from local_cloud.sagemaker.jobs.transform.record import TransformJob
from local_cloud.sagemaker.jobs.transform.run import TransformRun
from local_cloud.sagemaker.moto_backend import Scope, call_moto
from local_cloud.sagemaker.platform import Platform


class TransformJobs:
    """Creates, describes, lists and stops transform jobs.

    Args:
        platform: the emulator's other services.
        hosting: knows how to start a model's server.
        open_storage: opens S3 with a role's permissions; gets scope, role and the key of uploads.
        directory: folder of running jobs.
        logs: folder of the jobs' logs.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        hosting: Hosting,
        open_storage: OpenStorage,
        directory: Path,
        logs: Path,
    ) -> None:
        self._platform = platform
        self._hosting = hosting
        self._open_storage = open_storage
        self._directory = directory
        self._logs = logs
        self.table = JobTable[TransformJob]()

    def create(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle CreateTransformJob."""
        check_transform(parameters)
        job = TransformJob(scope, parameters)
        model = _model(scope, parameters["ModelName"])
        role_arn = model["ExecutionRoleArn"]
        key = parameters["TransformOutput"].get("KmsKeyId")
        try:
            storage = self._open_storage(scope, role_arn, key)
        except HostingError as error:
            raise validation_error(str(error)) from error
        require_objects(scope, role_arn, job.input_url, storage)
        self.table.add(
            job,
            "Job name must be unique within an AWS account and region, and a job with this name "
            "already exists",
        )
        self._announce(job)
        directory = job.folder_in(self._directory)
        directory.mkdir(parents=True)
        run = TransformRun(
            job,
            model=model,
            platform=self._platform,
            hosting=self._hosting,
            storage=storage,
            directory=directory,
            logs=self._logs / job.name,
            changed=self._announce,
        )
        job.run_in_thread(run.run)
        return {"TransformJobArn": job.arn}

    def describe(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle DescribeTransformJob."""
        return self.table.get(scope, parameters["TransformJobName"]).describe()

    def list(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle ListTransformJobs."""
        return list_page(
            self.table.of(scope), parameters, "TransformJobSummaries", TransformJob.summary,
            sort_order="Descending",
        )  # fmt: skip

    def stop(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle StopTransformJob."""
        job = self.table.get(scope, parameters["TransformJobName"])
        job.request_stop("transform job")
        self._announce(job)
        return {}

    def stop_all(self) -> None:
        """Stop every job, since the cloud ends; the cloud ends the servers with its others."""
        self.table.end_all()

    def _announce(self, job: TransformJob) -> None:
        announce(self._platform, job, "SageMaker Transform Job State Change")


def _model(scope: Scope, name: str) -> dict[str, Any]:
    try:
        return call_moto(scope, "sagemaker", "DescribeModel", {"ModelName": name})
    except AwsError as error:
        arn = scope.arn("sagemaker", f"model/{name.lower()}")
        raise validation_error(f'Could not find model "{arn}".') from error
