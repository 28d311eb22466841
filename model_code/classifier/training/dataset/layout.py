"""Where the images of a dataset lie for training jobs: `<split>/<label>/<file>`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from classifier.training.dataset.scanning import ImageFile
from classifier.training.dataset.splitting import Dataset

# Of names that are part of an S3 key, of a path and of a line in a log without being escaped.
_PLAIN_NAME: Final = re.compile(r"\w[\w !'()+,.=@-]*")
_PLAIN_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,5}")
_MAX_NAME_BYTES: Final = 200
_DIGITS_OF_PREFIX: Final = 12


@dataclass(frozen=True)
class PlacedImage:
    """An image at its place.

    Attributes:
        image: its path is that of the place, relative to the folder of all splits.
        source: the file, absolute.
    """

    image: ImageFile
    source: Path


def lay_out(dataset: Dataset) -> list[PlacedImage]:
    """Return the images of a dataset at their places, in the order of these.

    A training job that has the splits as channels finds the same images at the same paths, so
    that its dataset has the same version. A file keeps its name where S3 takes it, or else is
    named after its sha256; of two files with one name the second gets digits of its sha256.
    """
    taken = set[Path]()
    placed: list[PlacedImage] = []
    for image in sorted(dataset.images, key=lambda each: each.path.as_posix()):
        folder = Path(str(image.split), image.label)
        place = folder / _name(image)
        if place in taken:
            place = folder / f"{image.sha256[:_DIGITS_OF_PREFIX]}-{place.name}"
        taken.add(place)
        source = (dataset.folder / image.path).absolute()
        placed.append(PlacedImage(replace(image, path=place), source))
    return sorted(placed, key=lambda each: each.image.path.as_posix())


def _name(image: ImageFile) -> str:
    name = image.path.name
    try:
        size = len(name.encode())
    except UnicodeEncodeError:  # bytes that are no UTF-8
        size = _MAX_NAME_BYTES + 1
    if size <= _MAX_NAME_BYTES and _PLAIN_NAME.fullmatch(name):
        return name
    suffix = image.path.suffix if _PLAIN_SUFFIX.fullmatch(image.path.suffix) else ""
    return f"{image.sha256}{suffix}"
