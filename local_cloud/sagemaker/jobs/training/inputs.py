"""What each host of a training job gets before the program starts."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.jobs.training import hyperparameters, program
from local_cloud.sagemaker.jobs.training.archives import unpack_source
from local_cloud.sagemaker.jobs.training.checkpoints import Checkpoints
from local_cloud.sagemaker.jobs.training.folders import HostFolders
from local_cloud.sagemaker.jobs.training.record import TrainingJob


def check_program(job: TrainingJob, python: Path) -> None:
    """Check that the local cloud can run a job's program.

    Raises:
        JobFailedError: the job is not in script mode, or there is no training environment.
    """
    given = hyperparameters.decoded(job.request.get("HyperParameters", {}))
    specification = job.request["AlgorithmSpecification"]
    if "ContainerEntrypoint" in specification or "ContainerArguments" in specification:
        raise JobFailedError(
            "AlgorithmError: the local cloud runs script mode only, without a container: it "
            "cannot run ContainerEntrypoint and ContainerArguments, exit code: 1"
        )
    name = given.get(hyperparameters.PROGRAM)
    if not str(name or "").endswith(".py"):
        raise JobFailedError(
            f"AlgorithmError: the hyperparameter {hyperparameters.PROGRAM} is {name}; the local "
            "cloud runs one Python file of the source archive, such as train.py, exit code: 1"
        )
    if not given.get(hyperparameters.SUBMIT_DIRECTORY):
        raise JobFailedError(
            f"AlgorithmError: the hyperparameter {hyperparameters.SUBMIT_DIRECTORY} is missing; "
            "expected the address of the source archive, exit code: 1"
        )
    if not python.exists():
        raise JobFailedError(
            f"InternalServerError: the training environment {python} does not exist: run "
            "`make training-environment`"
        )


def download_channels(
    job: TrainingJob, storage: Storage, shared: Path, hosts: Sequence[HostFolders]
) -> None:
    """Download each channel once, and give each host its part as links.

    Args:
        job: the job.
        storage: S3, with the role's permissions.
        shared: the folder to download to.
        hosts: the folders of all hosts, on the same file system.

    Raises:
        JobFailedError: the role may not read an object.
    """
    for channel in job.request.get("InputDataConfig", []):
        name, source = channel["ChannelName"], channel["DataSource"]["S3DataSource"]
        try:
            objects = list(storage.objects(source["S3Uri"]))
        except (ClientError, BotoCoreError) as error:
            raise JobFailedError(f"ClientError: Data download failed:{error}") from error
        storage.download_all(objects, shared / name)
        is_sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        for number, folders in enumerate(hosts):
            first, step = (number, len(hosts)) if is_sharded else (0, 1)
            (folders.data / name).mkdir()
            for found in objects[first::step]:
                file = folders.data / name / found.path
                file.parent.mkdir(parents=True, exist_ok=True)
                os.link(shared / name / found.path, file)


def unpack_program(job: TrainingJob, storage: Storage, host: str, folders: HostFolders) -> None:
    """Write a host's configuration, and unpack the source archive.

    Raises:
        JobFailedError: the archive cannot be read, or lacks the program.
    """
    given: dict[str, Any] = hyperparameters.decoded(job.request.get("HyperParameters", {}))
    program.write_configuration(job, folders, host)
    unpack_source(storage, str(given[hyperparameters.SUBMIT_DIRECTORY]), folders)
    name = given[hyperparameters.PROGRAM]
    if not (folders.code / name).is_file():
        raise JobFailedError(f"AlgorithmError: the source archive has no {name}, exit code: 2")


def download_checkpoints(
    job: TrainingJob, storage: Storage, hosts: Sequence[HostFolders]
) -> list[Checkpoints]:
    """Return the checkpoint folders of all hosts, filled with what earlier jobs left.

    Raises:
        JobFailedError: the role may not list or read them.
    """
    configuration = job.request.get("CheckpointConfig")
    if not configuration:
        return []
    found = [Checkpoints(storage, configuration["S3Uri"], each.checkpoints) for each in hosts]
    try:
        for checkpoints in found:
            checkpoints.download()
    except (ClientError, BotoCoreError) as error:
        raise JobFailedError(
            f"ClientError: Data download failed:Unable to list {configuration['S3Uri']} ({error})"
        ) from error
    return found
