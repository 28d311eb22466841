"""The images to fine-tune on: which can be decoded, and how one is drawn for a step."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from classifier.training.cores import core_count
from classifier.training.dataset.scanning import VALID, ImageFile, LeftOutFile
from classifier.training.dataset.source import scan_images
from classifier.training.dataset.splitting import Dataset, split_scan
from classifier.training.dataset.transforms import Transform, read_image
from classifier.training.distributed.same_images import check_same_images
from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.errors import DataError
from classifier.training.options import TrainingOptions
from classifier.training.progress import Progress


class Draw(NamedTuple):
    """Which image comes next, by its place among the files, and the seed of its random changes."""

    place: int
    seed: int


class LabelledImages(torch.utils.data.Dataset[Any]):
    """Decodes and changes images; an item is 3 x crop x crop with the index of its label.

    The random changes of an image depend on its draw alone: neither on the process that decodes
    it nor on the images before it, so that a resumed run makes the same ones.
    """

    def __init__(self, paths: Sequence[Path], classes: Sequence[int], transform: Transform) -> None:
        self._paths, self._classes, self._transform = paths, classes, transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, draw: Draw) -> tuple[torch.Tensor, int]:
        image = read_image(self._paths[draw.place])
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed(), which seeds the GPUs too.
            torch.default_generator.manual_seed(draw.seed)
            return self._transform(image), self._classes[draw.place]


def find_dataset(options: TrainingOptions, workers: Workers = ALONE) -> Dataset:
    """Find the images, leave out what cannot be decoded, and split the others.

    Args:
        options: of the run.
        workers: each decodes its share, and has the same dataset then.

    Raises:
        DataError: no images of two classes, or none to validate by.
    """
    scan = scan_images(options)
    check_same_images(scan, workers)
    own = scan.images[workers.rank :: workers.count]
    shares = workers.exchange(_unreadable(scan.folder, own))
    problems = {file.path: file for share in shares for file in share}
    unreadable = [problems[image.path] for image in scan.images if image.path in problems]
    dataset = split_scan(scan, unreadable, options.seed)
    if not dataset.of(VALID):
        raise DataError(
            f"{dataset.folder} has too few images to hold some back, which choose the best epoch; "
            "three or more of a class are needed"
        )
    return dataset


def _unreadable(folder: Path, images: Sequence[ImageFile]) -> list[LeftOutFile]:
    """Decode every image, so that none ends the run hours later."""
    found: list[LeftOutFile] = []
    progress = Progress("images decoded", len(images))
    # Pillow lets other threads run while it decodes.
    with ThreadPoolExecutor(core_count()) as threads:
        problems = threads.map(partial(_problem, folder), images)
        for place, (image, problem) in enumerate(zip(images, problems, strict=True), start=1):
            if problem:
                found.append(LeftOutFile(image.path, problem))
            progress.update(place)
    progress.end()
    return found


def _problem(folder: Path, image: ImageFile) -> str | None:
    path = folder / image.path
    try:
        read_image(path)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return None
