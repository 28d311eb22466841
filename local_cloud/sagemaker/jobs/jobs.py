"""All operations of jobs, by their names in SageMaker's API."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_cloud.sagemaker.hosting.hosting import Hosting
from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.jobs.tags import Tags
from local_cloud.sagemaker.jobs.training.jobs import OpenStorage, TrainingJobs
from local_cloud.sagemaker.jobs.transform.jobs import TransformJobs
from local_cloud.sagemaker.jobs.tuning.jobs import TuningJobs
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform
from local_cloud.sagemaker.role_clients import s3_client

Operation = Callable[[Scope, dict[str, Any]], dict[str, Any]]


class Jobs:
    """The jobs of a local cloud.

    Args:
        platform: the emulator's other services.
        hosting: knows how to start a model's server.
        training_python: interpreter of the training environment.
        directory: folder of running jobs.
        logs: folder of all logs.
        open_storage: opens S3 with the permissions of a role; the emulator's S3 if None.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        hosting: Hosting,
        training_python: Path,
        directory: Path,
        logs: Path,
        open_storage: OpenStorage | None = None,
    ) -> None:
        def open_s3(scope: Scope, role_arn: str, kms_key_id: str | None) -> Storage:
            return Storage(s3_client(platform, scope, role_arn), kms_key_id)

        opened = open_storage or open_s3
        self.training = TrainingJobs(
            platform=platform,
            open_storage=opened,
            python=training_python,
            directory=directory / "training",
            logs=logs / "training",
        )
        self.tuning = TuningJobs(platform=platform, training=self.training)
        self.transform = TransformJobs(
            platform=platform,
            hosting=hosting,
            open_storage=opened,
            directory=directory / "transform",
            logs=logs / "transform",
        )
        self._tags = Tags([self.training.table, self.tuning.table, self.transform.table])

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
            "CreateTransformJob": self.transform.create,
            "DescribeTransformJob": self.transform.describe,
            "ListTransformJobs": self.transform.list,
            "StopTransformJob": self.transform.stop,
            "AddTags": self._tags.add,
            "ListTags": self._tags.list,
            "DeleteTags": self._tags.delete,
        }

    def stop(self) -> None:
        """Kill every job, since the cloud ends."""
        self.tuning.stop_all()
        self.training.stop_all()
        self.transform.stop_all()
