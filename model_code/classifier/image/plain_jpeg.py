"""Decode a plain JPEG straight into memory, to the pixels that Pillow decodes it to.

Pillow reads the header in Python and copies each row of pixels. Both use libjpeg-turbo.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

from classifier.image.decoding import MAX_PIXELS
from classifier.image.formats import JPEG_START
from classifier.image.jpeg_segments import has_more_scans, read_jpeg
from classifier.image.orientation import read_transpose
from classifier.image.resample import PixelArray

try:
    import simplejpeg  # type: ignore[import-untyped]  # ships no types
except ImportError:
    # A training job's environment, or a processor for which it is not installed.
    simplejpeg: Any = None  # type: ignore[no-redef]

# A damaged image is decoded twice, here up to the damage. Both together take less than a second
# for this many pixels.
_MAX_PIXELS: Final = MAX_PIXELS // 2
# Others, such as CMYK, are converted to RGB in another way than Pillow's.
_COLOURS: Final = frozenset({"Gray", "YCbCr", "RGB"})


def decode_plain_jpeg(data: bytes, *, reduce_to: int | None = None) -> PixelArray | None:
    """Return the pixels of a JPEG that needs nothing but decoding, or `None` for any other file.

    That is an upright baseline JPEG of one scan, grey or in colours, without a fault, and of a size
    that `decode_image` does not reduce.

    Args:
        data: the file's bytes.
        reduce_to: as `decode_image` takes it.

    Returns:
        Height x width x 4: rows from the top; red, green, blue, and a byte that means nothing.
    """
    if simplejpeg is None or not data.startswith(JPEG_START):
        return None
    jpeg = read_jpeg(data)
    frame = jpeg.frame
    if (
        frame is None
        or not frame.is_baseline
        or frame.width * frame.height > _MAX_PIXELS
        or (reduce_to is not None and min(frame.width, frame.height) >= 4 * reduce_to)
        or has_more_scans(jpeg.essence, 1)
        or not _is_upright(jpeg.exif)
    ):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(jpeg.essence)
        if colours not in _COLOURS or (width, height) != (frame.width, frame.height):
            return None
        pixels: PixelArray = simplejpeg.decode_jpeg(jpeg.essence, "RGBX")
    except ValueError:
        return None  # damaged
    return pixels


def _is_upright(exif: bytes) -> bool:
    if not exif:
        return True
    # Pillow warns of damaged data.
    with warnings.catch_warnings(action="ignore"):
        return read_transpose(exif) is None
