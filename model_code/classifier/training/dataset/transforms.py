"""How torch reads and changes images: as they are served, or with random changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torchvision.transforms import v2  # type: ignore[import-untyped]  # it ships no types

from classifier.artifact.manifest import Preprocessing
from classifier.errors import RequestError
from classifier.image.decoding import decode_image
from classifier.image.preprocessing import crop_image, normalise
from classifier.training.dataset.image_files import read_image_file
from classifier.training.errors import DataError

Transform = Callable[[Image.Image], torch.Tensor]


def evaluation_transform(settings: Preprocessing) -> Transform:
    """Return the server's own preprocessing: 3 x crop x crop, normalised."""

    def transform(image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(normalise(crop_image(image, settings), settings))

    return transform


def training_transform(settings: Preprocessing, augmentation: str) -> Transform:
    """Return the preprocessing with random changes that leave the label true.

    Args:
        settings: of the network.
        augmentation: `photo` crops and mirrors, `drawing` shifts and turns a little (a mirrored
            digit is another one or none), `none` changes nothing.
    """
    if augmentation == "none":
        return evaluation_transform(settings)
    interpolation = v2.InterpolationMode(settings.interpolation)
    changes: dict[str, list[Any]] = {
        "photo": [
            v2.RandomResizedCrop(settings.crop, scale=(0.3, 1), interpolation=interpolation),
            v2.RandomHorizontalFlip(),
        ],
        "drawing": [
            v2.Resize(settings.resize, interpolation=interpolation),
            v2.CenterCrop(settings.crop),
            v2.RandomAffine(
                degrees=10,
                translate=(0.1, 0.1),
                scale=(0.9, 1.1),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
        ],
    }
    transform: Transform = v2.Compose(
        [
            *changes[augmentation],
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(settings.mean, settings.std),
        ]
    )
    return transform


def read_image(path: Path, *, reduce_to: int | None = None) -> Image.Image:
    """Decode the image in a file as the server does; `reduce_to` is the decoder's.

    Raises:
        DataError: the server would refuse the file.
    """
    try:
        return decode_image(read_image_file(path), reduce_to=reduce_to)
    except RequestError as error:
        raise DataError(f"{path}: {error.message}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
