"""Runs train.py as a SageMaker training job of one host does."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from trainer import aws
from trainer.description import Job, Stage
from trainer.errors import JobError

_HOST = "algo-1"
# As SageMaker gives a job that it stops.
_SECONDS_TO_STOP = 120


class Folders:
    """The folders of a job, which SageMaker has below /opt/ml."""

    def __init__(self, folder: Path) -> None:
        self.inputs = folder / "input"
        self.model = folder / "model"
        self.output = folder / "output"
        self.checkpoints = folder / "checkpoints"
        for each in (self.inputs, self.model, self.output / "data", self.checkpoints):
            each.mkdir(parents=True)


def download_dataset(stage: Stage, job: Job, folders: Folders) -> dict[str, Path]:
    """Download the splits; return the folder of each by its name.

    Raises:
        JobError: the dataset cannot be read, or a split has no objects.
    """
    channels = {}
    for split in job.splits:
        url = f"s3://{stage.datasets_bucket}/{job.dataset_prefix.strip('/')}/{split}/"
        channels[split] = folders.inputs / split
        channels[split].mkdir()
        aws.download(url, channels[split])
        if not any(channels[split].iterdir()):
            raise JobError(f"no objects below {url}: expected <label>/<image>")
    return channels


def job_environment(
    job: Job, folders: Folders, channels: dict[str, Path], *, instance_type: str, gpus: int
) -> dict[str, str]:
    """Return the variables that AWS's training toolkit sets, as far as train.py reads them."""
    environment = {
        "SM_HOSTS": json.dumps([_HOST]),
        "SM_CURRENT_HOST": _HOST,
        "SM_CURRENT_INSTANCE_TYPE": instance_type,
        "SM_NUM_CPUS": str(os.cpu_count() or 1),
        "SM_NUM_GPUS": str(gpus),
        "SM_HPS": json.dumps(job.hyperparameters, sort_keys=True),
        "SM_MODEL_DIR": str(folders.model),
        "SM_OUTPUT_DIR": str(folders.output),
        "SM_OUTPUT_DATA_DIR": str(folders.output / "data"),
        "SM_CHECKPOINT_DIR": str(folders.checkpoints),
        "SM_CHANNELS": json.dumps(sorted(channels)),
        "TRAINING_JOB_NAME": job.name,
        "PYTHONUNBUFFERED": "1",
    }
    for name, folder in channels.items():
        environment[f"SM_CHANNEL_{name.upper()}"] = str(folder)
    return environment


def train(
    command: list[str], environment: dict[str, str], *, seconds: int, folders: Folders,
    write: Callable[[str], None],
) -> None:  # fmt: skip
    """Run the program; its lines go to the log as they come.

    Raises:
        JobError: it failed, or ran longer than it may; the message is its own reason.
    """
    program = subprocess.Popen(  # noqa: S603 - no shell reads it
        command,
        env={**os.environ, **environment},
        cwd=str(Path(command[1]).parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        program.terminate()
        try:
            program.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            program.kill()

    timer = threading.Timer(seconds, stop)
    timer.start()
    last = "no output"
    try:
        if program.stdout is None:  # by its arguments it is not
            raise RuntimeError("train.py has no output")
        for line in program.stdout:
            write(line.rstrip("\n"))
            last = line.strip() or last
        status = program.wait()
    finally:
        timer.cancel()
    if stopped.is_set():
        raise JobError(f"training ran longer than {seconds} s (ec2_trainer.max_runtime_seconds)")
    if status != 0:
        reason = folders.output / "failure"
        text = reason.read_text(encoding="utf-8").strip() if reason.exists() else last
        raise JobError(f"{text}, exit code: {status}")


def count_gpus() -> int:
    """Return how many NVIDIA GPUs the machine has."""
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
