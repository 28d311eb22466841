"""An upright RGB picture -> the network's input, as torchvision's reference computes it."""

from __future__ import annotations

import numpy
import numpy.typing
from PIL import Image

from classifier.manifest import Preprocessing
from classifier.resizing import resize_centre

FloatArray = numpy.typing.NDArray[numpy.float32]


def preprocess(picture: Image.Image, settings: Preprocessing) -> FloatArray:
    """Resize the shorter side with antialiasing, cut out the centre, normalise.

    Equals `torchvision.transforms._presets.ImageClassification` within 1/255 of a channel.

    Args:
        picture: mode RGB, upright.
        settings: from the manifest of the model.

    Returns:
        3 x crop x crop, red, green, blue.
    """
    image = numpy.array(resize_centre(picture, settings), dtype=numpy.float32)
    mean, std = numpy.array(settings.mean), numpy.array(settings.std)
    # (value / 255 - mean) / std in two passes over the image, in place.
    image *= (1 / (255 * std)).astype(numpy.float32)
    image -= (mean / std).astype(numpy.float32)
    return numpy.ascontiguousarray(image.transpose(2, 0, 1))
