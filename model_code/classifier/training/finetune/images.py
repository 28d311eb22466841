"""The images to fine-tune on: which there are, and how one is drawn for a step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from classifier.artifact.directory import file_sha256
from classifier.training.dataset.archives import unpack_zip
from classifier.training.dataset.demo_data import DEMO_FILE, is_demo
from classifier.training.dataset.folders import Transform, list_images, read_image
from classifier.training.dataset.scanning import ImageFile, LeftOutFile, Scan, scan_folder
from classifier.training.dataset.splitting import (
    Dataset,
    check_classes,
    split_images,
    without_copies,
)
from classifier.training.errors import DataError
from classifier.training.options import SPLITS, TrainingOptions
from classifier.training.progress import Progress


class LabelledFile(NamedTuple):
    """An image's file, the index of its label, and the sha256 of its bytes."""

    path: Path
    class_index: int
    sha256: str


class Draw(NamedTuple):
    """Which image comes next, by its place among the files, and the seed of its random changes."""

    place: int
    seed: int


@dataclass(frozen=True)
class ImageSplits:
    """The images of each split, of the same labels.

    Attributes:
        labels: sorted by name.
        files: by split; without `test` where there are no images for it.
        is_demo: whether they are the demo's.
        left_out: files that cannot be used.
    """

    labels: tuple[str, ...]
    files: Mapping[str, Sequence[LabelledFile]]
    is_demo: bool
    left_out: tuple[LeftOutFile, ...] = ()

    def sha256(self) -> str:
        """Return a digest of the labels, and of which bytes are in which split and class."""
        total = hashlib.sha256("\n".join(self.labels).encode())
        for split, files in sorted(self.files.items()):
            for file in files:
                total.update(f"{split} {file.class_index} {file.sha256}\n".encode())
        return total.hexdigest()


class LabelledImages(torch.utils.data.Dataset[Any]):
    """Decodes and changes images; an item is 3 x crop x crop with the index of its label.

    The random changes of an image depend on its draw alone: neither on the process that decodes
    it nor on the images before it, so that a resumed run makes the same ones.
    """

    def __init__(self, files: Sequence[LabelledFile], transform: Transform) -> None:
        self._files, self._transform = files, transform

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, draw: Draw) -> tuple[torch.Tensor, int]:
        file = self._files[draw.place]
        image = read_image(file.path)
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed(), which seeds the GPUs too.
            torch.default_generator.manual_seed(draw.seed)
            return self._transform(image), file.class_index


def find_splits(options: TrainingOptions) -> ImageSplits:
    """Find the images: of the folders train, valid and test, or of any other layout of `--data`.

    Raises:
        DataError: no images, or labels that do not fit each other.
    """
    data = options.data
    if data is not None and not options.has_split_folders:
        folder = data if data.is_dir() else unpack_zip(data, options.cache_dir / "datasets")
        return _split(scan_folder(folder), options.seed)
    images: list[ImageFile] = []
    labels: list[str] = []
    for split, directory in options.folders.items():
        if directory is None or (split == "test" and not directory.exists()):
            continue
        found, samples = list_images(directory)
        labels = labels or found
        _check_labels(labels, found, directory)
        for path, index in samples:
            images.append(ImageFile(Path(path), labels[index], split, file_sha256(Path(path))))
    kept, left_out = without_copies(images)
    dataset = Dataset(tuple(labels), tuple(kept), tuple(left_out))
    train = options.folders["train"] or Path()  # there is one: see TrainingOptions
    return _splits_of(dataset, Path(), train, is_demo=is_demo(train))


def _split(scan: Scan, seed: int) -> ImageSplits:
    readable, unreadable = [], []
    progress = Progress("images decoded", len(scan.images))
    for place, image in enumerate(scan.images, start=1):
        try:
            read_image(scan.folder / image.path)
            readable.append(image)
        except DataError as error:
            reason = str(error).removeprefix(f"{scan.folder / image.path}: ")
            unreadable.append(LeftOutFile(image.path, reason))
        progress.update(place)
    progress.end()
    dataset = split_images(scan.labels, readable, seed)
    return _splits_of(
        replace(dataset, left_out=(*scan.left_out, *unreadable, *dataset.left_out)),
        scan.folder,
        scan.folder,
        # Its mark is in the folder above the labels, which a zip has below others.
        is_demo=any(scan.folder.rglob(DEMO_FILE)),
    )


def _splits_of(dataset: Dataset, root: Path, named: Path, *, is_demo: bool) -> ImageSplits:
    """Return the splits; the images' paths are relative to `root`, and messages name `named`."""
    check_classes(dataset, named)
    index_by_label = {label: index for index, label in enumerate(dataset.labels)}
    files = {
        split: [
            LabelledFile(root / image.path, index_by_label[image.label], image.sha256)
            for image in images
        ]
        for split in SPLITS
        if (images := dataset.of(split))
    }
    if "valid" not in files:
        raise DataError(
            f"{named} has too few images to hold some back, which choose the best epoch; three "
            "or more of a class are needed"
        )
    return ImageSplits(dataset.labels, files, is_demo=is_demo, left_out=dataset.left_out)


def _check_labels(trained: list[str], found: list[str], folder: Path) -> None:
    if len(trained) < 2:
        raise DataError(f"{folder} has one label alone ({trained[0]}); two or more are needed")
    if found != trained:
        different = sorted(set(found) ^ set(trained))
        raise DataError(f"{folder} has other labels than the training images: {different}")
