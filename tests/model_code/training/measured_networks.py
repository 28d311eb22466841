"""Networks and images of which it is known what quantizing does to them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy
import torch
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.training.export import ModelDescription, write_artifact

SIDE_PIXELS = 12
BRIGHTNESS = {"dark": 0, "light": 150}


class BrightnessNetwork(torch.nn.Module):
    """Tells dark images from light ones by the second of two channels.

    The first channel is `outlier` times as bright and decides nothing; but both share one scale in
    int8, and a large one leaves no steps for the second. Both are shifted by `offset`, and a large
    one leaves no steps in bf16.
    """

    def __init__(self, outlier: float, offset: float) -> None:
        super().__init__()
        self.channels = torch.nn.Conv2d(3, 2, 1, bias=offset != 0)
        self.head = torch.nn.Linear(2, 2)
        with torch.no_grad():
            self.channels.weight.copy_(torch.tensor([outlier / 3, 1 / 3])[:, None, None, None])
            self.head.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 10.0]]))
            self.head.bias.copy_(torch.tensor([4.5, -10 * offset]))
            if self.channels.bias is not None:
                self.channels.bias.fill_(offset)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        means = torch.relu(self.channels(image)).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(means)
        return logits


def write_brightness_artifact(folder: Path, *, outlier: float = 1, offset: float = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _brightness_artifact(outlier, offset).items():
        (folder / name).write_bytes(content)
    return folder


@functools.cache
def _brightness_artifact(outlier: float, offset: float) -> dict[str, bytes]:
    """Export once for all tests: return the artifact's files by name."""
    preprocessing = Preprocessing(
        resize=SIDE_PIXELS,
        crop=SIDE_PIXELS,
        interpolation="bilinear",
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    description = ModelDescription(
        name="brightness",
        architecture="brightness",
        labels=tuple(BRIGHTNESS),
        preprocessing=preprocessing,
    )
    with tempfile.TemporaryDirectory() as folder:
        write_artifact(BrightnessNetwork(outlier, offset), description, Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def write_images(folder: Path, count: int, *, seed: int = 5, labelled: bool = True) -> Path:
    """Write `count` noisy images, every second one light."""
    generator = numpy.random.default_rng(seed)
    for number in range(count):
        label = list(BRIGHTNESS)[number % 2]
        low = BRIGHTNESS[label]
        pixels = generator.integers(low, low + 100, (SIDE_PIXELS, SIDE_PIXELS, 3))
        place = folder / label if labelled else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(numpy.uint8)).save(place / f"{number}.png")
    return folder


def write_colours(folder: Path, count: int, *, difference: int = 100) -> Path:
    """Write images of three colours, with noise; `difference` is how much of each there is."""
    generator = numpy.random.default_rng(4)
    for number in range(count):
        pixels = generator.integers(0, 120, (9, 12, 3))
        pixels[:, :, number % 3] += difference
        path = folder / ["rød", "grün", "blå"][number % 3] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(numpy.uint8)).save(path)
    return folder
