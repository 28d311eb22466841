"""Features of images on disk, so that no image is computed twice."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import numpy

from classifier.image.preprocessing import FloatArray
from classifier.training.errors import DataError

_DIGEST_BYTES: Final = 32
_FLOAT_BYTES: Final = 4


class FeatureCache:
    """The features of images, by the sha256 of their bytes; locks the folder until it is closed.

    `features.f32` has one row of 32-bit floats an image, `images.sha256` the digests in the same
    order. A row counts when its digest is written, which happens after the row itself is on the
    disk: a process may be killed at any time.
    """

    def __init__(self, folder: Path, width: int) -> None:
        """Open or create the cache.

        Args:
            folder: of one backbone, preprocessing and precision: nothing else decides a row.
            width: numbers of a row.

        Raises:
            DataError: another process is using the folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._width = width
        self._rows_file = (folder / "features.f32").open("ab")
        self._digests_file = (folder / "images.sha256").open("ab")
        try:
            fcntl.flock(self._digests_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise DataError(
                f"{folder} is in use by another training run; wait until it has ended"
            ) from None
        self._row_by_digest = self._recover(folder)

    def _recover(self, folder: Path) -> dict[bytes, int]:
        """Cut off what an interrupted run left incomplete; return the row of each digest."""
        row_bytes = self._width * _FLOAT_BYTES
        digests = (folder / "images.sha256").read_bytes()
        rows = (folder / "features.f32").stat().st_size // row_bytes
        count = min(len(digests) // _DIGEST_BYTES, rows)
        self._digests_file.truncate(count * _DIGEST_BYTES)
        self._rows_file.truncate(count * row_bytes)
        return {
            digests[row * _DIGEST_BYTES : (row + 1) * _DIGEST_BYTES]: row for row in range(count)
        }

    def close(self) -> None:
        """Close the files, which ends the lock."""
        self._rows_file.close()
        self._digests_file.close()

    def __contains__(self, sha256: str) -> bool:
        """Return whether the features of an image are there."""
        return bytes.fromhex(sha256) in self._row_by_digest

    def append(self, sha256s: Sequence[str], rows: Iterable[FloatArray]) -> None:
        """Write the features of new images (each of `width` numbers) to the disk."""
        for row in rows:
            self._rows_file.write(numpy.ascontiguousarray(row, dtype=numpy.float32).tobytes())
        _to_disk(self._rows_file)
        for sha256 in sha256s:
            digest = bytes.fromhex(sha256)
            self._row_by_digest[digest] = len(self._row_by_digest)
            self._digests_file.write(digest)
        _to_disk(self._digests_file)

    def read(self, sha256s: Sequence[str]) -> FloatArray:
        """Return the features of images: N x width, in their order."""
        rows = [self._row_by_digest[bytes.fromhex(sha256)] for sha256 in sha256s]
        if not rows:
            return numpy.zeros((0, self._width), dtype=numpy.float32)
        shape = (len(self._row_by_digest), self._width)
        stored = numpy.memmap(self._rows_file.name, dtype=numpy.float32, mode="r", shape=shape)
        return numpy.array(stored[rows])


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
