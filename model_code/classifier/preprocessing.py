"""An upright RGB picture -> the network's input, as torchvision's reference computes it."""

from __future__ import annotations

from typing import Final

import numpy
import numpy.typing
from PIL import Image

from classifier.manifest import Preprocessing

FloatArray = numpy.typing.NDArray[numpy.float32]

_RESAMPLING_BY_INTERPOLATION: Final = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def preprocess(picture: Image.Image, settings: Preprocessing) -> FloatArray:
    """Resize the shorter side with antialiasing, cut out the centre, normalise.

    Equals `torchvision.transforms._presets.ImageClassification` within 1/255 of a channel, but
    resizes only the box that the crop needs: a picture of 1 x 25,000,000 pixels costs no more
    memory than another.

    Args:
        picture: mode RGB, upright.
        settings: from the manifest of the model.

    Returns:
        3 x crop x crop, red, green, blue.
    """
    square = picture.resize(
        (settings.crop, settings.crop),
        _RESAMPLING_BY_INTERPOLATION[settings.interpolation],
        box=crop_box(picture.size, settings),
    )
    pixels = numpy.asarray(square, dtype=numpy.float32)
    mean = numpy.asarray(settings.mean, dtype=numpy.float32)
    std = numpy.asarray(settings.std, dtype=numpy.float32)
    normalised = (pixels / numpy.float32(255) - mean) / std
    return numpy.ascontiguousarray(normalised.transpose(2, 0, 1))


def crop_box(size: tuple[int, int], settings: Preprocessing) -> tuple[float, float, float, float]:
    """Return the part of the picture that the centre crop shows: left, top, right, bottom.

    In the picture's own pixels, so fractions of one are usual. The roundings are torchvision's
    (`functional._compute_resized_output_size` and `center_crop`).
    """
    width, height = size
    shorter = min(width, height)
    resized_width = int(settings.resize * width / shorter)
    resized_height = int(settings.resize * height / shorter)
    left = round((resized_width - settings.crop) / 2)
    top = round((resized_height - settings.crop) / 2)
    scale_x, scale_y = width / resized_width, height / resized_height
    return (
        left * scale_x,
        top * scale_y,
        min((left + settings.crop) * scale_x, width),
        min((top + settings.crop) * scale_y, height),
    )
