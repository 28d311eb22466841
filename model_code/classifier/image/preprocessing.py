"""Preprocess an upright RGB image for the network, as torchvision's reference does.

In two steps: the decode process resizes and crops the image, and the engine normalises it, which
costs nothing there. In between the image is bytes, a quarter of the size of floats.
"""

from __future__ import annotations

import numpy
import numpy.typing
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.image.resizing import resize_centre

ByteArray = numpy.typing.NDArray[numpy.uint8]
FloatArray = numpy.typing.NDArray[numpy.float32]


def crop_image(image: Image.Image, settings: Preprocessing) -> ByteArray:
    """Resize the shorter side with antialiasing and cut out the centre.

    Args:
        image: mode RGB, upright.
        settings: from the manifest of the model.

    Returns:
        crop x crop x 3: rows from the top, columns from the left; red, green, blue.
    """
    return numpy.asarray(resize_centre(image, settings))


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
