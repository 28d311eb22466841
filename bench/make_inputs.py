"""Makes the inputs of every server: test images, and weights of a network. Runs where torch is.

The weights need no download: random but seeded, then trained for a minute or two to tell a few
kinds of striped images apart. Nothing that is measured depends on accuracy, but random weights
could neither show that two servers compute the same nor be quantized.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy
import torch
import torchvision  # type: ignore[import-untyped]  # it ships no types
from PIL import Image, ImageEnhance, ImageOps

_CLASS_COUNT: Final = 1000
_KIND_COUNT: Final = 6
_CALIBRATION_IMAGES_PER_KIND: Final = 60
_TRAINING_IMAGES_PER_KIND: Final = 8
_LABELLED_IMAGES_PER_KIND: Final = 200
_TRAINING_STEPS: Final = 60
_LEARNING_RATE: Final = 0.02
_GRAIN: Final = 7.0
_CROP_COUNT: Final = 600
_SIZES_PIXELS: Final = {"500x375": (500, 375), "1920x1080": (1920, 1080)}


def main() -> None:
    """Write what the options name."""
    parser = argparse.ArgumentParser(prog="make_inputs.py", description=__doc__)
    parser.add_argument("--photo", type=Path, help="a JPEG", required=True)
    parser.add_argument("--images", type=Path, help="folder for the test images")
    parser.add_argument("--architecture", help="a classifier of torchvision")
    parser.add_argument("--model", type=Path, help="folder: weights.pth and calibration/")
    parser.add_argument("--crops", type=Path, help="folder for variations of the photo")
    parser.add_argument("--kinds", type=Path, help="folder for labelled images, <kind>/<number>")
    options = parser.parse_args()
    if options.kinds:
        _write_labelled(options.kinds)
    if options.crops:
        _write_crops(options.photo, options.crops)
    if options.images:
        _write_images(options.photo, options.images)
    if options.model:
        _write_kinds(options.model / "calibration")
        weights = _make_weights(options.architecture, options.photo)
        torch.save(weights, options.model / "weights.pth")


def _write_images(photo: Path, folder: Path) -> None:
    """Write the photo as JPEG in each size, with the fine grain of a camera.

    Without it an enlarged photo has little to decode: 1920 x 1080 would take 150 kB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(0)
    for name, (width, height) in _SIZES_PIXELS.items():
        with Image.open(photo) as opened:
            resized = opened.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        grain = generator.normal(0, _GRAIN, (height, width, 1))
        pixels = numpy.clip(numpy.asarray(resized) + grain, 0, 255).astype(numpy.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.jpg", quality=85)


def _write_crops(photo: Path, folder: Path) -> None:
    """Write JPEGs of parts of the photo, some mirrored, some darker or brighter.

    Published weights classify many of them clearly, and no stripes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(0)
    with Image.open(photo) as opened:
        image = opened.convert("RGB")
    for number in range(_CROP_COUNT):
        share = generator.uniform(0.6, 1.0)
        width, height = (int(share * side) for side in image.size)
        left = int(generator.integers(0, image.width - width + 1))
        top = int(generator.integers(0, image.height - height + 1))
        part = image.crop((left, top, left + width, top + height))
        part = ImageEnhance.Brightness(part).enhance(generator.uniform(0.7, 1.3))
        part = ImageOps.mirror(part) if number % 2 else part
        part.save(folder / f"{number:03}.jpg", quality=90)


def _write_kinds(folder: Path) -> None:
    """Write JPEGs whose names sort so that every kind is among the first and among the last."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_CALIBRATION_IMAGES_PER_KIND):
        for kind in range(_KIND_COUNT):
            _draw(kind, number).save(folder / f"{number:03}-{kind}.jpg", quality=90)


def _write_labelled(folder: Path) -> None:
    for kind in range(_KIND_COUNT):
        (folder / f"stripes {kind}").mkdir(parents=True, exist_ok=True)
        for number in range(_LABELLED_IMAGES_PER_KIND):
            _draw(kind, number).save(folder / f"stripes {kind}" / f"{number:03}.jpg", quality=90)


def _make_weights(architecture: str, photo: Path) -> dict[str, torch.Tensor]:
    """Return a state dict; the first of its 1000 classes are the kinds, the next is the photo."""
    torch.manual_seed(0)
    # Without it int8 changes the class of a whole kind.
    options = {"zero_init_residual": True} if architecture.startswith("resnet") else {}
    network = torchvision.models.get_model(
        architecture, weights=None, num_classes=_CLASS_COUNT, **options
    )
    transform = torchvision.models.get_model_weights(architecture).DEFAULT.transforms()
    drawn = [
        _draw(kind, number)
        for kind in range(_KIND_COUNT)
        for number in range(_TRAINING_IMAGES_PER_KIND)
    ]
    inputs = torch.stack([transform(image) for image in (*drawn, *_crops(photo))])
    _train(network, inputs)
    _compute_statistics(network, inputs)
    weights: dict[str, torch.Tensor] = network.state_dict()
    return weights


def _train(network: torch.nn.Module, inputs: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=_LEARNING_RATE, momentum=0.9)
    labels = torch.arange(_KIND_COUNT + 1)
    network.train()
    for step in range(_TRAINING_STEPS):
        # One of each kind.
        batch = inputs[step % _TRAINING_IMAGES_PER_KIND :: _TRAINING_IMAGES_PER_KIND]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(batch), labels)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()


def _compute_statistics(network: torch.nn.Module, inputs: torch.Tensor) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # The average of all inputs from now on instead of a moving one.
            module.momentum = None
            module.reset_running_stats()
    with torch.inference_mode():
        network(inputs)


def _crops(photo: Path) -> list[Image.Image]:
    with Image.open(photo) as opened:
        image = opened.convert("RGB")
    return [
        image.crop((margin, margin, image.width - margin, image.height - margin))
        for margin in range(_TRAINING_IMAGES_PER_KIND)
    ]


def _draw(kind: int, number: int) -> Image.Image:
    """Return 320 x 240 pixels of stripes whose colours, width and slope are those of the kind."""
    width, height = 320, 240
    by_kind = numpy.random.default_rng(kind)
    first, second = by_kind.uniform(0, 255, (2, 3))
    period, angle = by_kind.uniform(6, 60), by_kind.uniform(0, numpy.pi)
    by_number = numpy.random.default_rng([kind, number])
    y, x = numpy.mgrid[0:height, 0:width]
    phase = by_number.uniform(0, 2 * numpy.pi)
    along = x * numpy.cos(angle) + y * numpy.sin(angle)
    share = (0.5 + 0.5 * numpy.sin(2 * numpy.pi * along / period + phase))[..., numpy.newaxis]
    grain = by_number.normal(0, 12, (height, width, 3))
    pixels = numpy.clip(first * share + second * (1 - share) + grain, 0, 255)
    return Image.fromarray(pixels.astype(numpy.uint8))


if __name__ == "__main__":
    main()
