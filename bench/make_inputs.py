"""Writes what every server gets: weights of a network and pictures. Runs where torch is.

The weights need no download: random but seeded, then trained for a minute or two to tell a few
kinds of pictures apart. Nothing measured depends on accuracy, but a network that tells nothing
apart could neither show that two servers compute the same nor be quantized.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy
import numpy.typing
import torch
import torchvision  # type: ignore[import-untyped]  # it ships no types
from PIL import Image

CLASS_COUNT: Final = 1000
KIND_COUNT: Final = 6
_PICTURES_A_KIND: Final = 60
_TRAINING_PICTURES_A_KIND: Final = 8
_TRAINING_STEPS: Final = 60
_LEARNING_RATE: Final = 0.02
_NOISE: Final = 7.0
_SIZES_PIXELS: Final = {"500x375": (500, 375), "1920x1080": (1920, 1080)}

Pixels = numpy.typing.NDArray[numpy.uint8]


def main() -> None:
    """Write the files that are asked for."""
    parser = argparse.ArgumentParser(prog="make_inputs.py", description=__doc__)
    parser.add_argument("--photo", type=Path, help="a JPEG", required=True)
    parser.add_argument("--pictures", type=Path, help="folder for the test pictures")
    parser.add_argument("--calibration", type=Path, help="folder for pictures of each kind")
    parser.add_argument("--architecture", help="a classifier of torchvision")
    parser.add_argument("--weights", type=Path, help="file for its weights")
    options = parser.parse_args()
    if options.pictures:
        write_pictures(options.photo, options.pictures)
    if options.calibration:
        write_kinds(options.calibration)
    if options.weights:
        torch.save(make_weights(options.architecture, options.photo), options.weights)


def write_pictures(photo: Path, folder: Path) -> None:
    """Write the photo in each size as JPEG, with the fine grain that a camera's picture has.

    Without it an enlarged picture has little to decode: 1920 x 1080 would take 150 kB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(0)
    for name, (width, height) in _SIZES_PIXELS.items():
        with Image.open(photo) as opened:
            resized = opened.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        grain = generator.normal(0, _NOISE, (height, width, 1))
        pixels = numpy.clip(numpy.asarray(resized) + grain, 0, 255).astype(numpy.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.jpg", quality=85)


def write_kinds(folder: Path) -> None:
    """Write pictures as JPEG, all kinds among the first of them and among the last."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_PICTURES_A_KIND):
        for kind in range(KIND_COUNT):
            pixels = _picture(kind, number, width=320, height=240)
            Image.fromarray(pixels).save(folder / f"{number:03}-{kind}.jpg", quality=90)


def make_weights(architecture: str, photo: Path) -> dict[str, torch.Tensor]:
    """Return a state dict of torchvision's classifier `architecture` with 1000 classes.

    The first are the kinds, the next is the photo.
    """
    torch.manual_seed(0)
    network = torchvision.models.get_model(architecture, weights=None, num_classes=CLASS_COUNT)
    transform = torchvision.models.get_model_weights(architecture).DEFAULT.transforms()
    pictures = [
        Image.fromarray(_picture(kind, number, width=320, height=240))
        for kind in range(KIND_COUNT)
        for number in range(_TRAINING_PICTURES_A_KIND)
    ]
    images = torch.stack([transform(picture) for picture in (*pictures, *_crops(photo))])
    _learn_kinds(network, images)
    _learn_statistics(network, images)
    weights: dict[str, torch.Tensor] = network.state_dict()
    return weights


def _learn_kinds(network: torch.nn.Module, images: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=_LEARNING_RATE, momentum=0.9)
    kinds = torch.arange(KIND_COUNT + 1)
    network.train()
    for step in range(_TRAINING_STEPS):
        # One of each kind.
        batch = images[step % _TRAINING_PICTURES_A_KIND :: _TRAINING_PICTURES_A_KIND]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(batch), kinds)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()


def _learn_statistics(network: torch.nn.Module, images: torch.Tensor) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # An average over all that is seen from now on instead of a moving one.
            module.momentum = None
            module.reset_running_stats()
    with torch.inference_mode():
        network(images)


def _crops(photo: Path) -> list[Image.Image]:
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    return [
        picture.crop((margin, margin, picture.width - margin, picture.height - margin))
        for margin in range(_TRAINING_PICTURES_A_KIND)
    ]


def _picture(kind: int, number: int, *, width: int, height: int) -> Pixels:
    """Return height x width x 3: stripes whose colours, width and slope are the kind's."""
    by_kind = numpy.random.default_rng(kind)
    first, second = by_kind.uniform(0, 255, (2, 3))
    period, angle = by_kind.uniform(6, 60), by_kind.uniform(0, numpy.pi)
    by_number = numpy.random.default_rng([kind, number])
    y, x = numpy.mgrid[0:height, 0:width]
    phase = by_number.uniform(0, 2 * numpy.pi)
    along = x * numpy.cos(angle) + y * numpy.sin(angle)
    share = (0.5 + 0.5 * numpy.sin(2 * numpy.pi * along / period + phase))[..., numpy.newaxis]
    grain = by_number.normal(0, 12, (height, width, 3))
    pixels: Pixels = numpy.clip(first * share + second * (1 - share) + grain, 0, 255).astype(
        numpy.uint8
    )
    return pixels


if __name__ == "__main__":
    main()
