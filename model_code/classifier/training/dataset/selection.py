"""Which pictures calibrate an int8 network, and which others it is judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.training.errors import DataError

# As many as NNCF takes by default; more change nothing that can be measured.
MOST_CALIBRATION_PICTURES: Final = 300
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class LabelledPicture:
    """A picture's file, its label if that is known, and the sha256 of its bytes."""

    path: Path
    label: str | None
    sha256: str


@dataclass(frozen=True)
class Selection:
    """Pictures for two purposes; none is in both, be it under another name."""

    calibration: tuple[LabelledPicture, ...]
    held_back: tuple[LabelledPicture, ...]

    @property
    def calibration_sha256(self) -> str:
        """Digest of the calibration pictures' bytes, whatever they are called."""
        digests = sorted(picture.sha256 for picture in self.calibration)
        return hashlib.sha256("".join(digests).encode()).hexdigest()


def split_folder(directory: Path, labels: Collection[str]) -> Selection:
    """Let up to 300 pictures of `directory`, but no more than half of them, calibrate.

    Raises:
        DataError: see `find_pictures`.
    """
    pictures = find_pictures(directory, labels)
    count = min(MOST_CALIBRATION_PICTURES, len(pictures) // 2)
    return Selection(calibration=tuple(pictures[:count]), held_back=tuple(pictures[count:]))


def use_folders(calibration: Path, held_back: Path, labels: Collection[str]) -> Selection:
    """Let up to 300 pictures of one folder calibrate, and those of another be held back.

    Raises:
        DataError: see `find_pictures`.
    """
    chosen = find_pictures(calibration, labels)[:MOST_CALIBRATION_PICTURES]
    known = {picture.sha256 for picture in chosen}
    others = (p for p in find_pictures(held_back, labels) if p.sha256 not in known)
    return Selection(calibration=tuple(chosen), held_back=tuple(others))


def find_pictures(directory: Path, labels: Collection[str]) -> list[LabelledPicture]:
    """Return the pictures of `<directory>/<label>/` or, where there are none, `<directory>/`.

    They come in the order of their digests: mixed, and the same on every machine. Of several files
    with the same bytes one counts.

    Args:
        directory: labelled pictures in folders of their labels' names, or pictures alone.
        labels: of the model.

    Raises:
        DataError: no such folder, no pictures in it, or a folder that no label is named like.
    """
    if not directory.is_dir():
        raise DataError(f"{directory} is no folder; expected <label>/<picture> or pictures in it")
    folders = sorted(path for path in directory.iterdir() if path.is_dir())
    if unknown := [folder.name for folder in folders if folder.name not in labels]:
        raise DataError(
            f"{directory} holds a folder {unknown[0]!r}, but the model has no such label; "
            "name the folders like labels, or put the pictures into one folder without labels"
        )
    by_digest: dict[str, LabelledPicture] = {}
    for folder in folders or [directory]:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in _SUFFIXES:
                sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
                picture = LabelledPicture(path, folder.name if folders else None, sha256)
                by_digest.setdefault(sha256, picture)
    if not by_digest:
        raise DataError(f"{directory} holds no pictures ({', '.join(_SUFFIXES)})")
    return [by_digest[sha256] for sha256 in sorted(by_digest)]
