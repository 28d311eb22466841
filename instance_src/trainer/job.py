"""One training job from its description to its model package."""

from __future__ import annotations

import json
import tarfile
import traceback
from pathlib import Path
from typing import Any

from trainer import aws, gate, metadata, registration, training
from trainer.description import Job, Stage
from trainer.errors import JobError
from trainer.log import Log
from trainer.packages import prepare_python

# The instance's tag with the job's name; tools/training/ec2.py sets it.
JOB_TAG = "whippet-job"


def main() -> int:
    """Run the job that the instance's tag names; report its result in S3 and in the log."""
    folder = Path.cwd()
    try:
        stage = Stage.read()
        name = metadata.read(f"tags/instance/{JOB_TAG}")
        log = Log(stage.log_group, name)
        log.open()
    except JobError as error:
        print(f"error: {error}", flush=True)  # the console of the instance has it
        return 1
    result: dict[str, str] = {}
    try:
        result["model_package_arn"] = run(stage, name, log, folder)
    except JobError as error:
        result["failure"] = str(error)
    except Exception as error:
        # Every exception: the person who waits for the job reads why it ended.
        log.write(traceback.format_exc())
        result["failure"] = f"{type(error).__name__}: {error}"
    log.write("".join(f"{key}: {value}" for key, value in result.items()))
    # The log first: when the result is there, all lines are.
    log.close()
    _report(stage, name, result, folder)
    return 0 if "model_package_arn" in result else 1


def run(stage: Stage, name: str, log: Log, folder: Path) -> str:
    """Run a job; return the ARN of its model package.

    Raises:
        JobError: there is none.
    """
    job = Job.read(stage, name)
    folders = training.Folders(folder / "ml")
    channels = training.download_dataset(stage, job, folders)
    source = folder / "source"
    _unpack(stage.source_url, source)
    python, wheels = prepare_python(stage, source, folder, log.write)
    if wheels is not None:
        channels["wheels"] = wheels
    environment = training.job_environment(
        job,
        folders,
        channels,
        instance_type=metadata.read("instance-type"),
        gpus=training.count_gpus(),
    )
    flags = [
        part for key, value in sorted(job.hyperparameters.items()) for part in (f"--{key}", value)
    ]
    training.train(
        [str(python), str(source / "train.py"), *flags],
        environment,
        seconds=stage.max_runtime_seconds,
        folders=folders,
        write=log.write,
    )
    archive = folder / "model.tar.gz"
    sha256 = registration.pack(folders.model, archive)
    aws.upload(archive, f"s3://{stage.models_bucket}/{job.output_url}/model.tar.gz")
    metrics = _read_metrics(folders.checkpoints / name / "metrics.json")
    compared_with = gate.check(metrics, gate.approved_packages(stage.package_group), stage)
    return registration.register(
        stage, job, metrics, archive=archive, sha256=sha256, compared_with=compared_with
    )


def _unpack(url: str, folder: Path) -> None:
    archive = folder.with_suffix(".tar.gz")
    aws.download(url, archive)
    folder.mkdir()
    with tarfile.open(archive) as packed:
        packed.extractall(folder)  # noqa: S202 - our own asset, addressed by its content


def _read_metrics(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise JobError("train.py wrote no metrics.json: the gate has nothing to judge")
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return metrics


def _report(stage: Stage, name: str, result: dict[str, str], folder: Path) -> None:
    path = folder / "result.json"
    path.write_text(json.dumps(result), encoding="utf-8")
    try:
        aws.upload(path, f"s3://{stage.models_bucket}/training/{name}/output/result.json")
    except JobError as error:
        print(f"error: the result could not be written: {error}", flush=True)
