"""Read the size of a WebP."""

from __future__ import annotations

import struct
from typing import Final

_MASK: Final = 0x3FFF
_MIN_LENGTH: Final = 30


def read_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Return width and height as a decoder reads them (RFC 9649); `None` if it would refuse them.

    Args:
        data: begins with the RIFF header.
    """
    if len(data) < _MIN_LENGTH:
        return None
    kind = bytes(data[12:16])
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        # The two highest bits of each are only a scale for displaying the image.
        return width & _MASK, height & _MASK
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & _MASK) + 1, (bits >> 14 & _MASK) + 1
    if kind == b"VP8X":
        width, width_high, height, height_high = struct.unpack_from("<HBHB", data, 24)
        return (width_high << 16 | width) + 1, (height_high << 16 | height) + 1
    return None
