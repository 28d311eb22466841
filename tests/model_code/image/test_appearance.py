from __future__ import annotations

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies
from PIL import Image, ImageFilter

from classifier.image.appearance import Appearance, measure_appearance
from classifier.image.preprocessing import ByteArray

CROPS = st.integers(1, 9).flatmap(
    lambda side: numpy_strategies.arrays(numpy.uint8, (side, side, 3))
)


def _crop_of(colour: tuple[int, int, int], side: int = 8) -> ByteArray:
    return numpy.full((side, side, 3), colour, dtype=numpy.uint8)


def _photo() -> Image.Image:
    """Edges, ramps and some noise: what a blur has something to do with."""
    across, down = numpy.meshgrid(numpy.arange(224), numpy.arange(224))
    pattern = 90 + 60 * ((across // 16 + down // 16) % 2) + across // 4
    noise = numpy.random.default_rng(3).integers(0, 20, (224, 224, 3))
    return Image.fromarray((pattern[:, :, None] + noise).astype(numpy.uint8))


@pytest.mark.parametrize(
    ("colour", "brightness"),
    [
        ((0, 0, 0), 0),
        ((255, 255, 255), 1),
        ((255, 0, 0), 0.299),
        ((0, 255, 0), 0.587),
        ((0, 0, 255), 0.114),
        ((51, 51, 51), 0.2),
    ],
)
@pytest.mark.parametrize("side", [1, 224])
def test_one_colour_is_as_bright_as_its_luma_and_not_sharp(
    colour: tuple[int, int, int], brightness: float, side: int
) -> None:
    appearance = measure_appearance(_crop_of(colour, side))
    assert appearance.brightness == pytest.approx(brightness, abs=1e-12)
    assert appearance.sharpness == 0


def test_nothing_is_sharper_than_a_chessboard() -> None:
    squares = numpy.indices((8, 8)).sum(axis=0) % 2 * 255
    board = numpy.repeat(squares[:, :, None], 3, axis=2).astype(numpy.uint8)
    assert measure_appearance(board) == Appearance(brightness=0.5, sharpness=1)


def test_lines_are_half_as_sharp_whichever_way_they_lie() -> None:
    lines = _crop_of((0, 0, 0))
    lines[::2] = 255
    assert measure_appearance(lines).sharpness == 0.5
    assert measure_appearance(lines.transpose(1, 0, 2)).sharpness == 0.5


@given(CROPS)
def test_the_measures_are_what_they_are_said_to_be(crop: ByteArray) -> None:
    red, green, blue = (crop[:, :, channel].astype(float) for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    side = len(crop)
    differences = [
        abs(green[row, column] - green[other_row, other_column])
        for row in range(side)
        for column in range(side)
        for other_row, other_column in ((row + 1, column), (row, column + 1))
        if other_row < side and other_column < side
    ]

    appearance = measure_appearance(crop)

    assert appearance.brightness == pytest.approx(luma.mean() / 255, abs=1e-12)
    expected = math.fsum(differences) / len(differences) / 255 if differences else 0
    assert appearance.sharpness == pytest.approx(expected, abs=1e-12)
    assert 0 <= appearance.brightness <= 1
    assert 0 <= appearance.sharpness <= 1


def test_the_largest_crop_does_not_overflow() -> None:
    lines = numpy.zeros((4096, 4096, 3), dtype=numpy.uint8)
    lines[:, ::2] = 255
    assert measure_appearance(lines).brightness == pytest.approx(0.5)
    assert measure_appearance(lines).sharpness == pytest.approx(0.5)


def test_blur_and_enlargement_lower_the_sharpness_and_hardly_the_brightness() -> None:
    sharp = _photo()
    blurred = sharp.filter(ImageFilter.GaussianBlur(2))
    enlarged = sharp.resize((56, 56)).resize((224, 224))
    original = measure_appearance(numpy.asarray(sharp))
    for worse in (blurred, enlarged):
        appearance = measure_appearance(numpy.asarray(worse))
        assert appearance.sharpness < original.sharpness / 2
        assert appearance.brightness == pytest.approx(original.brightness, abs=0.01)


def test_a_darker_image_is_darker() -> None:
    light = _photo()
    dark = light.point(lambda value: value // 2)
    halved = measure_appearance(numpy.asarray(light)).brightness / 2
    assert measure_appearance(numpy.asarray(dark)).brightness == pytest.approx(halved, abs=0.01)
