"""What the environment of a SageMaker training job says, and what SageMaker reads of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Set by AWS's toolkit, which starts train.py.
_OUTPUT_FOLDER: Final = "SM_OUTPUT_DIR"
_METRICS_FILE: Final = "metrics.json"
# SageMaker copies it to S3 while the job runs, and back when it begins again elsewhere.
CHECKPOINTS: Final = Path("/opt/ml/checkpoints")


def is_running(environment: Mapping[str, str]) -> bool:
    """Return whether the process runs inside a training job."""
    return _OUTPUT_FOLDER in environment


def report_place(path: Path, environment: Mapping[str, str]) -> str:
    """Return where a person finds the report: a job's folder is gone when it has ended."""
    return f"{path.name}, in the job's output.tar.gz" if is_running(environment) else str(path)


def failure_file(environment: Mapping[str, str]) -> Path:
    """Return the file whose text DescribeTrainingJob shows as FailureReason."""
    return Path(environment[_OUTPUT_FOLDER]) / "failure"


def report_failure(reason: str, environment: Mapping[str, str]) -> None:
    """Write the FailureReason of DescribeTrainingJob, which shows its first 1024 characters.

    AWS's toolkit does not overwrite the file.
    """
    path = failure_file(environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reason, encoding="utf-8")


def checkpoint_folder(environment: Mapping[str, str]) -> Path | None:
    """Return where a job keeps what it needs to go on; `None` outside of a job.

    Jobs may share one prefix in S3, so that each has a folder of its name in it.
    """
    given = environment.get("SM_CHECKPOINT_DIR")
    if given is None and not CHECKPOINTS.is_dir():
        return None
    return Path(given or CHECKPOINTS) / environment.get("TRAINING_JOB_NAME", "")


def metrics_file(environment: Mapping[str, str], checkpoint_dir: Path) -> Path | None:
    """Return where a job writes its figures; `None` outside of a job.

    In S3 the checkpoints lie as files, where the output is an archive: a state machine can read
    them.
    """
    return checkpoint_dir / _METRICS_FILE if is_running(environment) else None
