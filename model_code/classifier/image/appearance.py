"""Brightness and sharpness of an image: they shift when cameras, light or senders change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy

from classifier.image.preprocessing import ByteArray

# Thousandths of red, green and blue in luma: ITU-R BT.601, as in JPEG. Whole numbers, so that
# white is 1 and not a rounding more.
_LUMA_WEIGHTS: Final = (299, 587, 114)
_WHITE: Final = 255


@dataclass(frozen=True)
class Appearance:
    """Brightness and sharpness of the crop that the network sees.

    Attributes:
        brightness: mean luma, 0 (black) to 1 (white).
        sharpness: mean absolute difference of pixels beside and below each other, 0 (one colour)
            to 1; blur, and enlargement of a small image, lower it. The "sum modulus difference"
            of Krotkov, "Focusing", International Journal of Computer Vision 1 (1988), divided by
            the number of differences; of the green plane, which is most of luma.
    """

    brightness: float
    sharpness: float


def measure_appearance(crop: ByteArray) -> Appearance:
    """Measure an image (crop x crop x 3, as `crop_image` makes it): 0.2 ms for 224 pixels."""
    side = len(crop)
    # By columns first: numpy adds rows fastest, and 32 bit are enough for a column.
    colours = crop.sum(axis=0, dtype=numpy.uint32).sum(axis=0).tolist()
    luma = sum(weight * total for weight, total in zip(_LUMA_WEIGHTS, colours, strict=True))
    # One copy, so that what follows reads neighbouring bytes.
    green = numpy.ascontiguousarray(crop[:, :, 1])
    differences = _total_difference(green[:, 1:], green[:, :-1])
    differences += _total_difference(green[1:], green[:-1])
    # A crop of one pixel has no neighbours.
    neighbours = max(1, 2 * side * (side - 1))
    return Appearance(
        brightness=luma / (1000 * side * side * _WHITE),
        sharpness=differences / (neighbours * _WHITE),
    )


def _total_difference(first: ByteArray, second: ByteArray) -> int:
    # Bytes cannot be negative: the smaller from the larger. In place, because the memory of one
    # array more costs as much as all of this where a crop has 384 pixels a side.
    differences = numpy.maximum(first, second)
    differences -= numpy.minimum(first, second)
    return int(differences.sum(axis=0, dtype=numpy.uint32).sum())
