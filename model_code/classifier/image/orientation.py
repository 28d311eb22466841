"""How to turn an image upright, by its EXIF data."""

from __future__ import annotations

import struct
from typing import Final

from PIL import Image

# Exceptions that Pillow raised for 41,000 damaged files, or that its parsers can raise: the first
# for a PNG that should have a palette and has none.
DAMAGED: Final = (
    AssertionError,
    OSError,
    ValueError,
    SyntaxError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    EOFError,
    struct.error,
)
_ORIENTATION_TAG: Final = 0x0112
_TRANSPOSE_BY_ORIENTATION: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_transpose(exif_data: bytes) -> Image.Transpose | None:
    """Return what turns the image upright; `None` if it is, or if its EXIF data is damaged."""
    exif = Image.Exif()
    try:
        # Not `getexif`, which uses XMP's orientation if EXIF has none.
        exif.load(exif_data)
        orientation = exif.get(_ORIENTATION_TAG)
    except DAMAGED:
        # The pixels are intact: do not rotate the image.
        return None
    return _TRANSPOSE_BY_ORIENTATION.get(orientation or 1)
