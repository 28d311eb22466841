"""All operations of jobs, by their names in SageMaker's API."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.jobs.tags import Tags
from local_cloud.sagemaker.jobs.training.jobs import OpenStorage, TrainingJobs
from local_cloud.sagemaker.jobs.tuning.jobs import TuningJobs
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform
from local_cloud.sagemaker.role_clients import s3_client

Operation = Callable[[Scope, dict[str, Any]], dict[str, Any]]


class Jobs:
    """The jobs of a local cloud.

    Args:
        platform: the emulator's other services.
        training_python: interpreter of the training environment.
        directory: folder of running jobs.
        logs: folder of all logs.
        open_storage: opens S3 with the permissions of a role; the emulator's S3 if None.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        training_python: Path,
        directory: Path,
        logs: Path,
        open_storage: OpenStorage | None = None,
    ) -> None:
        def open_s3(scope: Scope, role_arn: str, kms_key_id: str | None) -> Storage:
            return Storage(s3_client(platform, scope, role_arn), kms_key_id)

        self.training = TrainingJobs(
            platform=platform,
            open_storage=open_storage or open_s3,
            python=training_python,
            directory=directory,
            logs=logs / "training",
        )
        self.tuning = TuningJobs(platform=platform, training=self.training)
        self._tags = Tags([self.training.table, self.tuning.table])

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "CreateTrainingJob": self.training.create,
            "DescribeTrainingJob": self.training.describe,
            "ListTrainingJobs": self.training.list,
            "StopTrainingJob": self.training.stop,
            "CreateHyperParameterTuningJob": self.tuning.create,
            "DescribeHyperParameterTuningJob": self.tuning.describe,
            "ListHyperParameterTuningJobs": self.tuning.list,
            "ListTrainingJobsForHyperParameterTuningJob": self.tuning.list_trials,
            "StopHyperParameterTuningJob": self.tuning.stop,
            "AddTags": self._tags.add,
            "ListTags": self._tags.list,
            "DeleteTags": self._tags.delete,
        }

    def stop(self) -> None:
        """Kill every job, since the cloud ends."""
        self.tuning.stop_all()
        self.training.stop_all()
