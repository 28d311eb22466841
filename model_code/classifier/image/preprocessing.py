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
from classifier.image.decoding import decode_image
from classifier.image.plain_jpeg import decode_plain_jpeg
from classifier.image.resample import Pixels, Resampler
from classifier.image.resample_library import installed_library
from classifier.image.resizing import resample_centre, resize_centre

ByteArray = numpy.typing.NDArray[numpy.uint8]
FloatArray = numpy.typing.NDArray[numpy.float32]


# Loaded now: a decode process may not have permission to read it.
_library = installed_library()
_resampler = None if _library is None else Resampler(_library)
RESIZER: Final = "pillow" if _library is None else "compiled"


def decode_crop(
    data: bytes,
    settings: Preprocessing,
    *,
    reduce_to: int | None = None,
    target: ByteArray | None = None,
) -> ByteArray:
    """Decode an image and crop it: `crop_image` of `decode_image`, in less time for most JPEGs.

    Args:
        data: the file's bytes.
        settings: from the manifest of the model.
        reduce_to: as `decode_image` takes it.
        target: as `crop_image` takes it.

    Returns:
        As `crop_image`.

    Raises:
        RequestError: as `decode_image`.
    """
    if _resampler is not None:
        pixels = decode_plain_jpeg(data, reduce_to=reduce_to)
        if pixels is not None:
            return _resample(Pixels.of_array(pixels), settings, _resampler, target)
    return crop_image(decode_image(data, reduce_to=reduce_to), settings, target)


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
    return _resample(Pixels.of_image(image), settings, _resampler, target)


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


def _resample(
    pixels: Pixels, settings: Preprocessing, resampler: Resampler, target: ByteArray | None
) -> ByteArray:
    if target is None:
        target = numpy.empty((settings.crop, settings.crop, 3), numpy.uint8)
    resample_centre(pixels, settings, resampler, target)
    return target
