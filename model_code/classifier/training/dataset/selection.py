"""Selection of the images that calibrate an int8 network, and of others that judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.training.dataset.image_files import read_image_file
from classifier.training.errors import DataError

# As many as NNCF takes by default; more change nothing that can be measured.
MAX_CALIBRATION_IMAGES: Final = 300
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class LabelledImage:
    """An image's file, its label if that is known, and the sha256 of its bytes."""

    path: Path
    label: str | None
    sha256: str


@dataclass(frozen=True)
class Selection:
    """Calibration images and held-back images; none is in both, not even under another name."""

    calibration: tuple[LabelledImage, ...]
    held_back: tuple[LabelledImage, ...]

    @property
    def calibration_sha256(self) -> str:
        """Digest of the calibration images' bytes, whatever they are called."""
        digests = sorted(image.sha256 for image in self.calibration)
        return hashlib.sha256("".join(digests).encode()).hexdigest()


def split_folder(directory: Path, labels: Collection[str]) -> Selection:
    """Take up to 300 images, at most half of them, for calibration; hold back the others.

    Raises:
        DataError: see `find_images`.
    """
    return _halve(find_images(directory, labels))


def use_splits(valid: Iterable[LabelledImage], test: Iterable[LabelledImage]) -> Selection:
    """Take up to 300 images of one split for calibration; hold back those of another.

    If `test` is empty, half of `valid` calibrates and the other half is held back.
    """
    valid, test = _by_digest(valid), _by_digest(test)
    if not test:
        return _halve(valid)
    chosen = valid[:MAX_CALIBRATION_IMAGES]
    known = {image.sha256 for image in chosen}
    others = (image for image in test if image.sha256 not in known)
    return Selection(calibration=tuple(chosen), held_back=tuple(others))


def find_images(directory: Path, labels: Collection[str]) -> list[LabelledImage]:
    """Return the images of `<directory>/<label>/` or, where there are none, `<directory>/`.

    They come in the order of their digests: mixed, and the same on every machine. Of several files
    with the same bytes one counts.

    Args:
        directory: labelled images in folders of their labels' names, or images alone.
        labels: of the model.

    Raises:
        DataError: no such folder, no images in it, one of too many bytes, or a subfolder that is
            not a label's.
    """
    if not directory.is_dir():
        raise DataError(f"{directory} is no folder; expected <label>/<image> or images in it")
    folders = sorted(path for path in directory.iterdir() if path.is_dir())
    if unknown := [folder.name for folder in folders if folder.name not in labels]:
        raise DataError(
            f"{directory} holds a folder {unknown[0]!r}, but the model has no such label; "
            "name the folders like labels, or put the images into one folder without labels"
        )
    images: list[LabelledImage] = []
    for folder in folders or [directory]:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in _SUFFIXES:
                images.append(LabelledImage(path, folder.name if folders else None, _digest(path)))
    if not images:
        raise DataError(f"{directory} holds no images ({', '.join(_SUFFIXES)})")
    return _by_digest(images)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(read_image_file(path)).hexdigest()
    except DataError as error:
        raise DataError(f"{path} {error}") from error


def _halve(images: list[LabelledImage]) -> Selection:
    count = min(MAX_CALIBRATION_IMAGES, len(images) // 2)
    return Selection(calibration=tuple(images[:count]), held_back=tuple(images[count:]))


def _by_digest(images: Iterable[LabelledImage]) -> list[LabelledImage]:
    """Sort by digest; of several images with the same bytes, keep the first."""
    first: dict[str, LabelledImage] = {}
    for image in images:
        first.setdefault(image.sha256, image)
    return [first[sha256] for sha256 in sorted(first)]
