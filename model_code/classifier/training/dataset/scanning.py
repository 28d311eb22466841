"""Find the labelled images of a folder, whatever its layout, and say what was left out."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from classifier.errors import RequestError
from classifier.image.formats import image_format
from classifier.training.dataset.demo_data import is_demo
from classifier.training.dataset.image_files import read_image_file
from classifier.training.errors import DataError

TRAIN, VALID, TEST = SPLITS = ("train", "valid", "test")
_SPLIT_BY_FOLDER: Final = {
    "train": TRAIN,
    "training": TRAIN,
    "valid": VALID,
    "val": VALID,
    "validation": VALID,
    "test": TEST,
    "testing": TEST,
}
# Written by operating systems and tools beside the images; never images of the user.
_SYSTEM_NAMES: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini", "demo.txt"})
_MAX_SHOWN: Final = 5


@dataclass(frozen=True)
class ImageFile:
    """An image of the dataset.

    Attributes:
        path: relative to the dataset's folder.
        label: name of its class, in Unicode's composed form.
        split: one of `SPLITS` where the folder has splits, else `None`.
        sha256: of the file's bytes, in hexadecimal.
    """

    path: Path
    label: str
    split: str | None
    sha256: str


@dataclass(frozen=True)
class LeftOutFile:
    """A file that is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Scan:
    """What a folder holds.

    Attributes:
        folder: that was scanned; the images' paths are relative to it.
        labels: sorted by name.
        images: in the order of their paths.
        left_out: files that are not images this project reads.
        is_demo: whether they are the demo's.
    """

    folder: Path
    labels: tuple[str, ...]
    images: tuple[ImageFile, ...]
    left_out: tuple[LeftOutFile, ...]
    is_demo: bool

    @property
    def has_splits(self) -> bool:
        """Whether the folder says which images are for training and which for tests."""
        return any(image.split for image in self.images)


def scan_folder(folder: Path) -> Scan:
    """Find the images of a folder: `<label>/<image>`, or `<split>/<label>/<image>`.

    Splits are `train` with `valid` (or `val`, `validation`) and `test`. A folder with nothing but
    one other folder in it is looked through. An image's format is read from its first bytes, not
    from its name. Hidden files and what operating systems write are ignored.

    Raises:
        DataError: no such folder, or no images of two classes in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected images in it, <label>/<image>")
    root = _innermost(folder)
    folders = [path for path in _entries(root) if path.is_dir() and not _is_system(path)]
    splits = {path: _SPLIT_BY_FOLDER.get(path.name.lower()) for path in folders}
    found = set(splits.values())
    # A class may be called train; two such names beside each other are splits, whatever else is.
    if TRAIN not in found or found == {TRAIN, None}:
        return _scan(folder, [(None, root)])
    scan = _scan(folder, [(split, path) for path, split in splits.items() if split])
    others = [path.relative_to(folder) for path, split in splits.items() if split is None]
    beside = [LeftOutFile(path, "a folder beside those of the splits") for path in others]
    return replace(scan, left_out=(*scan.left_out, *beside))


def scan_splits(folders: Mapping[str, Path]) -> Scan:
    """Find the images of one folder for each split, `<label>/<image>`, wherever they are.

    Args:
        folders: by split; those of a training job are its channels.

    Raises:
        DataError: as `scan_folder`.
    """
    absolute = {split: path.absolute() for split, path in folders.items()}
    for path in absolute.values():
        if not path.is_dir():
            raise DataError(f"{path}: no such folder; expected images in it, <label>/<image>")
    common = Path(os.path.commonpath(absolute.values()))
    return _scan(common, absolute.items())


def _scan(folder: Path, split_folders: Iterable[tuple[str | None, Path]]) -> Scan:
    images: list[ImageFile] = []
    left_out: list[LeftOutFile] = []
    demo = is_demo(folder)
    for split, labelled in split_folders:
        demo = demo or is_demo(labelled)
        for path in _files(labelled):
            relative = path.relative_to(labelled)
            if len(relative.parts) < 2:
                reason = "not in a folder that names its class"
                left_out.append(LeftOutFile(path.relative_to(folder), reason))
                continue
            label = unicodedata.normalize("NFC", relative.parts[0])
            found = _read(folder, path, label, split)
            if isinstance(found, ImageFile):
                images.append(found)
            else:
                left_out.append(found)
    labels = _labels(folder, images, left_out)
    return Scan(folder, labels, tuple(images), tuple(left_out), demo)


def _read(folder: Path, path: Path, label: str, split: str | None) -> ImageFile | LeftOutFile:
    relative = path.relative_to(folder)
    try:
        content = read_image_file(path)
        image_format(content)
    except OSError as error:
        return LeftOutFile(relative, f"cannot be read: {error.strerror or error}")
    except DataError as error:
        return LeftOutFile(relative, str(error))
    except RequestError as error:
        return LeftOutFile(relative, error.message)
    return ImageFile(relative, label, split, hashlib.sha256(content).hexdigest())


def _innermost(folder: Path) -> Path:
    """Look through folders with one folder in them and nothing else, as archives have them."""
    while True:
        entries = [path for path in _entries(folder) if not _is_system(path)]
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink():
            return folder
        if not any(path.is_dir() for path in _entries(entries[0])):
            return folder
        folder = entries[0]


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in the order of their names; folder links are not followed."""
    # Not recursive: an archive may have more levels than Python has.
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if path.is_dir():
            if path == folder or not path.is_symlink():
                waiting += [each for each in reversed(_entries(path)) if not _is_system(each)]
        elif path.is_file():
            yield path


def _entries(folder: Path) -> list[Path]:
    return sorted(Path(entry) for entry in os.scandir(folder))


def _is_system(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _SYSTEM_NAMES


def _labels(folder: Path, images: list[ImageFile], left_out: list[LeftOutFile]) -> tuple[str, ...]:
    labels = sorted({image.label for image in images})
    for label in labels:
        if not label.strip() or not label.isprintable():
            raise DataError(
                f"{folder} has a class folder named {label!r}; "
                "a class needs a name of printable characters"
            )
    if len(labels) < 2:
        found = f"one class alone ({labels[0]})" if labels else "no images in class folders"
        raise DataError(
            f"{folder} has {found}; expected <label>/<image> of two or more classes, or train/ "
            f"with valid/ and test/ that hold these{_described(left_out)}"
        )
    trained = {image.label for image in images if image.split in (None, TRAIN)}
    if untrained := sorted(set(labels) - trained):
        raise DataError(
            f"{folder} has no training images of {', '.join(map(repr, untrained[:_MAX_SHOWN]))}; "
            "each class of valid/ and test/ must be in train/ too"
        )
    return tuple(labels)


def _described(left_out: list[LeftOutFile]) -> str:
    if not left_out:
        return ""
    reasons = Counter(file.reason for file in left_out)
    reason, count = reasons.most_common(1)[0]
    example = next(file.path for file in left_out if file.reason == reason)
    return f". Files that were left out: {count}, such as {example}: {reason.rstrip('.')}"
