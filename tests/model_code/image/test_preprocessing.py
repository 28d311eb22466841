from __future__ import annotations

import functools
import io

import numpy
import pytest
from PIL import Image
from torchvision.transforms._presets import (  # type: ignore[import-untyped]  # it ships no types
    ImageClassification,
)
from torchvision.transforms.v2 import (  # type: ignore[import-untyped]  # as above
    InterpolationMode,
)

from classifier.artifact.manifest import Preprocessing
from classifier.image.decoding import decode_image
from classifier.image.preprocessing import crop_image, normalise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = [
    (500, 375), (375, 500), (640, 480), (224, 224), (256, 256), (257, 255), (231, 640),
    (100, 80), (32, 32), (33, 31), (17, 400), (400, 17), (1, 1), (2, 3), (1, 500), (1920, 1080),
    (1081, 1919), (300, 301), (225, 3000), (999, 1000),
]  # fmt: skip


@functools.cache
def _photo(width: int, height: int) -> Image.Image:
    """Soft shapes with fine grain and hard edges over them, as a photo has."""
    generator = numpy.random.default_rng(width * 10_007 + height)
    pixels = numpy.zeros((height, width, 3))
    for cells in (3, 9, 40):
        noise = generator.integers(0, 256, (cells, cells, 3), dtype=numpy.uint8)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        pixels += numpy.asarray(layer) / 3
    pixels += generator.normal(0, 12, pixels.shape)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (255, 0, 20)
    return Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("resize", "crop", "interpolation"),
    [(256, 224, "bilinear"), (232, 224, "bilinear"), (32, 32, "bilinear"), (384, 380, "bicubic")],
)
def test_every_pixel_equals_torchvisions_within_one_step(
    size: tuple[int, int], resize: int, crop: int, interpolation: str
) -> None:
    image = _photo(*size)
    reference = ImageClassification(
        crop_size=crop,
        resize_size=resize,
        mean=MEAN,
        std=STD,
        interpolation=InterpolationMode(interpolation),
    )(image).numpy()
    settings = Preprocessing(
        resize=resize, crop=crop, interpolation=interpolation, mean=MEAN, std=STD
    )
    ours = normalise(crop_image(image, settings), settings)
    assert ours.dtype == numpy.float32
    assert ours.shape == reference.shape == (3, crop, crop)
    one_step = 1 / 255 / numpy.array(STD)[:, None, None]
    assert (abs(ours - reference) / one_step).max() <= 1.001


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (1600, 1200), (4000, 3000)])
def test_fast_decoding_changes_the_input_by_half_a_step_on_average(size: tuple[int, int]) -> None:
    settings = Preprocessing(
        resize=256, crop=224, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1)
    )
    encoded = _jpeg(*size)
    exact = crop_image(decode_image(encoded), settings)
    fast = crop_image(decode_image(encoded, reduce_to=256), settings)
    difference = abs(exact.astype(numpy.float64) - fast)
    assert 0 < difference.mean() <= 0.5


def _jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    _photo(width, height).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
