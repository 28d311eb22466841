"""Preprocess an upright RGB image for the network, as torchvision's reference does.

In two steps: the decode process resizes and crops the image, and the engine normalises it, which
costs nothing there. In between the image is bytes, a quarter of the size of floats.
"""

from __future__ import annotations

from typing import Final

import numpy
import numpy.typing
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.image.resample import Resampler
from classifier.image.resample_library import installed_library
from classifier.image.resizing import resample_centre, resize_centre

ByteArray = numpy.typing.NDArray[numpy.uint8]
FloatArray = numpy.typing.NDArray[numpy.float32]


# Loaded now: a decode process may not have permission to read it.
_library = installed_library()
_resampler = None if _library is None else Resampler(_library)
RESIZER: Final = "pillow" if _library is None else "compiled"


def crop_image(
    image: Image.Image, settings: Preprocessing, target: ByteArray | None = None
) -> ByteArray:
    """Resize the shorter side with antialiasing and cut out the centre.

    Args:
        image: mode RGB, upright.
        settings: from the manifest of the model.
        target: contiguous memory for the result, instead of new one.

    Returns:
        crop x crop x 3: rows from the top, columns from the left; red, green, blue.
    """
    if _resampler is None:
        crop = numpy.asarray(resize_centre(image, settings))
        if target is None:
            return crop
        target[:] = crop
        return target
    if target is None:
        target = numpy.empty((settings.crop, settings.crop, 3), numpy.uint8)
    resample_centre(image, settings, _resampler, target)
    return target


def normalise(crop: ByteArray, settings: Preprocessing) -> FloatArray:
    """Return the network's input, 3 x crop x crop, for a crop from `crop_image`.

    Equals `torchvision.transforms._presets.ImageClassification` within 1/255 of a channel.
    """
    values = crop.astype(numpy.float32)
    factor, offset = normalisation(settings)
    values *= factor
    values -= offset
    return numpy.ascontiguousarray(values.transpose(2, 0, 1))


def normalisation(settings: Preprocessing) -> tuple[FloatArray, FloatArray]:
    """Return factor and offset (3 each): (value / 255 - mean) / std is value * factor - offset."""
    mean, std = numpy.array(settings.mean), numpy.array(settings.std)
    return (1 / (255 * std)).astype(numpy.float32), (mean / std).astype(numpy.float32)
