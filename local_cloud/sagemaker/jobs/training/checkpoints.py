"""Keeps the checkpoint folder of a host and its S3 prefix in sync."""

import contextlib
import time
from pathlib import Path

from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.jobs.training.archives import files_of

_EVERY_SECONDS = 2.0


class Checkpoints:
    """The checkpoint folder of one host.

    Args:
        storage: S3, with the role's permissions.
        url: CheckpointConfig's S3Uri.
        folder: the host's folder.
    """

    def __init__(self, storage: Storage, url: str, folder: Path) -> None:
        self._storage = storage
        self._url = url.rstrip("/")
        self._folder = folder
        self._uploaded: dict[Path, tuple[int, int]] = {}
        self._next = 0.0

    def download(self) -> None:
        """Download what earlier jobs left, from which this one may go on.

        Raises:
            JobFailedError: the role may not read it.
            ClientError: the role may not list it.
        """
        self._storage.download_all(list(self._storage.objects(f"{self._url}/")), self._folder)
        self._uploaded = {file: _state(file) for file in files_of(self._folder)}
        self._next = time.monotonic() + _EVERY_SECONDS

    def upload(self, *, now: bool = False) -> None:
        """Upload the files that changed, if it is time or now.

        Raises:
            JobFailedError: the role may not write them.
        """
        if not now and time.monotonic() < self._next:
            return
        for file in files_of(self._folder):
            # The program may remove or rename it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                state = _state(file)
                if self._uploaded.get(file) != state:
                    path = file.relative_to(self._folder).as_posix()
                    self._storage.upload(file, f"{self._url}/{path}")
                    self._uploaded[file] = state
        self._next = time.monotonic() + _EVERY_SECONDS


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size
