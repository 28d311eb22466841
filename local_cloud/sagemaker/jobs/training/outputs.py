"""What a training job stores in S3 at its end."""

from collections.abc import Sequence
from pathlib import Path

from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.jobs.training.archives import files_of, write_archive
from local_cloud.sagemaker.jobs.training.folders import HostFolders
from local_cloud.sagemaker.jobs.training.record import TrainingJob


def upload_model(
    job: TrainingJob, storage: Storage, hosts: Sequence[HostFolders], directory: Path
) -> None:
    """Upload the models of all hosts as one archive, or file by file where the job says so.

    Args:
        job: the job.
        storage: S3, with the role's permissions.
        hosts: the folders of all hosts.
        directory: a folder for the archive.

    Raises:
        JobFailedError: the role may not write it.
    """
    models = [folders.model for folders in hosts]
    if not job.model_url.endswith("/"):
        _upload_archive(storage, models, directory / "model.tar.gz", job.model_url)
        return
    for folder in models:
        for file in files_of(folder):
            storage.upload(file, job.model_url + file.relative_to(folder).as_posix())


def upload_output(
    job: TrainingJob, storage: Storage, hosts: Sequence[HostFolders], directory: Path
) -> None:
    """Upload the output data of all hosts as one archive.

    Raises:
        JobFailedError: the role may not write it.
    """
    folders = [each.output_data for each in hosts]
    archive = directory / "output.tar.gz"
    _upload_archive(storage, folders, archive, f"{job.output_url}/{archive.name}")


def _upload_archive(storage: Storage, folders: Sequence[Path], archive: Path, url: str) -> None:
    if write_archive(folders, archive):
        storage.upload(archive, url)
