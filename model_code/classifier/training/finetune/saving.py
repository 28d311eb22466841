"""Write files of torch.save whole, or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from classifier.training.errors import TrainingError


def save(content: Any, path: Path, *, with_sha256: bool = False) -> None:
    """Write a file; at any moment it is the old one or the new one, both whole.

    Args:
        content: as torch.save takes it.
        path: of the file; its folder is made.
        with_sha256: whether the 32 bytes of the content's sha256 follow it.

    Raises:
        TrainingError: the disk is full, or the file cannot be written for another reason.
    """
    temporary = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            hashing = _HashingFile(file)
            torch.save(content, cast("BinaryIO", hashing))
            if with_sha256:
                file.write(hashing.sha256.digest())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    # torch has errors of its own where a write fails.
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise TrainingError(
            f"{path} cannot be written: {reason.strip().splitlines()[0]}; free some space, or name "
            "another folder, and run the same command again"
        ) from error


def unfinished(path: Path) -> Path:
    """Return the path of a file while it is written; a process that is killed leaves it."""
    return path.with_name(path.name + ".writing")


class _HashingFile:
    """Passes on what torch.save writes, which it does from the beginning to the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
