"""Split images into those to train on, to choose by and to judge by."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy
import numpy.typing

from classifier.training.dataset.scanning import (
    SPLITS,
    TEST,
    TRAIN,
    VALID,
    ImageFile,
    LeftOutFile,
    Scan,
)
from classifier.training.errors import DataError

IntArray = numpy.typing.NDArray[numpy.int64]

# Of each class; of the rest, which is for training, there is at least one image.
_SHARE_BY_HELD_BACK_SPLIT: Final = {TEST: 0.15, VALID: 0.1}
_MOST_UNSEEN_FIRST: Final = (TEST, VALID, TRAIN)


@dataclass(frozen=True)
class Dataset:
    """Images with their splits; the same bytes are in one split alone, and of one class.

    Attributes:
        labels: sorted by name; an image's class is its label's index here.
        images: each with its split.
        left_out: files that are not used: copies, images that are in the folders of two classes,
            and what cannot be read.
        folder: that the images' paths are relative to.
        is_demo: whether the images are the demo's.
    """

    labels: tuple[str, ...]
    images: tuple[ImageFile, ...]
    left_out: tuple[LeftOutFile, ...]
    folder: Path = Path()
    is_demo: bool = False

    def of(self, split: str) -> list[ImageFile]:
        """Return the images of one split."""
        return [image for image in self.images if image.split == split]

    def paths(self, split: str) -> list[Path]:
        """Return the files of the images of one split."""
        return [self.folder / image.path for image in self.of(split)]

    def classes(self, split: str) -> IntArray:
        """Return the indices of the labels of the images of one split."""
        index_by_label = {label: index for index, label in enumerate(self.labels)}
        classes = [index_by_label[image.label] for image in self.of(split)]
        return numpy.array(classes, dtype=numpy.int64)

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each split."""
        return {split: len(self.of(split)) for split in SPLITS}

    @property
    def sha256(self) -> str:
        """Digest of the labels, and of which bytes are in which split and class."""
        total = hashlib.sha256("\n".join(self.labels).encode())
        for split in SPLITS:
            for image, index in zip(self.of(split), self.classes(split).tolist(), strict=True):
                total.update(f"{split} {index} {image.sha256}\n".encode())
        return total.hexdigest()


def split_scan(scan: Scan, unreadable: Sequence[LeftOutFile], seed: int) -> Dataset:
    """Split the images of a scan that can be read, as `split_images` does.

    Args:
        scan: the images.
        unreadable: those of them that cannot be decoded.
        seed: of the splits that the folders do not have.

    Raises:
        DataError: a class has no image to train on.
    """
    broken = {file.path for file in unreadable}
    readable = [image for image in scan.images if image.path not in broken]
    dataset = split_images(scan.labels, readable, seed)
    _check_classes(dataset, scan.folder)
    left_out = (*scan.left_out, *unreadable, *dataset.left_out)
    return replace(dataset, left_out=left_out, folder=scan.folder, is_demo=scan.is_demo)


def split_images(labels: Sequence[str], images: Iterable[ImageFile], seed: int) -> Dataset:
    """Give each image a split: its folder's, or one drawn by `seed` where that is missing.

    A split that the folders do not have is drawn from the training images, class by class:
    15 % for the test and 10 % for validation, at least one of each where a class has three images
    or more. Of several files with the same bytes the one that is furthest from training is kept;
    what is in two classes is left out of all splits, since one of the labels is wrong.
    """
    kept, left_out = _without_copies(images)
    present = {image.split for image in kept}
    missing = [split for split in _SHARE_BY_HELD_BACK_SPLIT if split not in present]
    generator = random.Random(seed)  # noqa: S311 - a split needs to be repeatable, not secret
    by_label = defaultdict[str, list[ImageFile]](list)
    for image in kept:
        by_label[image.label].append(image)
    result: list[ImageFile] = []
    for label in labels:
        own = [image for image in by_label[label] if image.split in (None, TRAIN)]
        # In the order of their bytes, which no file's name or place changes.
        own.sort(key=lambda image: image.sha256)
        generator.shuffle(own)
        for split in missing:
            # While the largest share is still to be drawn, two others are needed.
            count = _held_back_count(len(own), _SHARE_BY_HELD_BACK_SPLIT[split])
            result += [replace(image, split=split) for image in own[:count]]
            own = own[count:]
        result += [replace(image, split=TRAIN) for image in own]
        result += [image for image in by_label[label] if image.split in (VALID, TEST)]
    result.sort(key=lambda image: image.path)
    return Dataset(tuple(labels), tuple(result), tuple(left_out))


def _held_back_count(count: int, share: float) -> int:
    return min(max(1, round(count * share)), count - 1) if count > 1 else 0


def _check_classes(dataset: Dataset, folder: Path) -> None:
    trained = {image.label for image in dataset.of(TRAIN)}
    if missing := [label for label in dataset.labels if label not in trained]:
        raise DataError(
            f"{folder} has no image of {missing[0]!r} to train on that can be read and is of no "
            "other class; add images, or remove the class"
        )


def _without_copies(
    images: Iterable[ImageFile],
) -> tuple[list[ImageFile], list[LeftOutFile]]:
    by_content = defaultdict[str, list[ImageFile]](list)
    for image in images:
        by_content[image.sha256].append(image)
    kept, left_out = list[ImageFile](), list[LeftOutFile]()
    for copies in by_content.values():
        labels = sorted({image.label for image in copies})
        if len(labels) > 1:
            reason = f"the same image is in the classes {', '.join(labels)}"
            left_out += [LeftOutFile(image.path, reason) for image in copies]
            continue
        copies.sort(key=lambda image: _MOST_UNSEEN_FIRST.index(image.split or TRAIN))
        kept.append(copies[0])
        left_out += [LeftOutFile(image.path, f"a copy of {copies[0].path}") for image in copies[1:]]
    return kept, left_out
