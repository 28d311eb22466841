"""What a job is: what the stage gives every job, and what is given to this one."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import aws
from trainer.errors import JobError

# Set by the user data.
STAGE_VARIABLE = "WHIPPET_TRAINER"


@dataclass(frozen=True)
class Stage:
    """What every job of the stage shares.

    Attributes:
        datasets_bucket, models_bucket: names of buckets.
        source_url: S3 address of the archive of train.py.
        log_group: name of the log group.
        package_group: name of the model package group.
        serving_image: URI of the image that serves a model.
        torch_packages: what is installed where the machine image has no PyTorch.
        max_runtime_seconds: training is stopped after this time.
        minimum_test_accuracy, maximum_accuracy_loss: the gate.
    """

    datasets_bucket: str
    models_bucket: str
    source_url: str
    log_group: str
    package_group: str
    serving_image: str
    torch_packages: list[str]
    max_runtime_seconds: int
    minimum_test_accuracy: float
    maximum_accuracy_loss: float

    @classmethod
    def read(cls) -> Stage:
        """Read it from the environment."""
        return cls(**json.loads(os.environ[STAGE_VARIABLE]))


_SPLITS = {"train", "valid", "test"}


@dataclass(frozen=True)
class Job:
    """What is given to one job.

    Attributes:
        name: its name, and that of its log stream.
        dataset_prefix: folder of the datasets bucket.
        splits: folders of the dataset, such as train.
        hyperparameters: flags of train.py.
        data_version, commit: where the model comes from.
    """

    name: str
    dataset_prefix: str
    splits: list[str]
    hyperparameters: dict[str, str]
    data_version: str
    commit: str

    @classmethod
    def read(cls, stage: Stage, name: str) -> Job:
        """Read it from `jobs/<name>.json` of the datasets bucket.

        Raises:
            JobError: it cannot be read.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "job.json")
            aws.download(f"s3://{stage.datasets_bucket}/jobs/{name}.json", path)
            given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        job = cls(name=name, **given)
        # They name folders here: an absolute one would be written to.
        if wrong := set(job.splits) - _SPLITS:
            raise JobError(f"splits {sorted(wrong)}: expected some of {sorted(_SPLITS)}")
        return job

    @property
    def output_url(self) -> str:
        """Folder of the models bucket with what the job writes, without the bucket."""
        return f"training/{self.name}/output"
