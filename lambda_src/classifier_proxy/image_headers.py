import re
import struct
from itertools import islice
from typing import Any, NamedTuple

from classifier_proxy.errors import UnreadableImageError

MOST_PARTS = 1000
"""Segments or chunks that are looked through for the size; real pictures have tens before it."""

# The last of a marker's fill bytes and its kind; 0 is none, there 0xFF stands for itself.
_JPEG_MARKER = re.compile(rb"\xff[^\xff]")
_JPEG_START_OF_SCAN = 0xDA
# SOF0 to 15 without DHT, JPG and DAC among them, and DHP, the frame of a hierarchical picture.
_JPEG_FRAMES = {0xDE, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# All others (RSTn, SOI, EOI, what is reserved) consist of the marker alone.
_JPEG_SEGMENTS = {*_JPEG_FRAMES, 0xC4, 0xCC, 0xFE, *range(0xDB, 0xF0)}
# Counted by the pattern a picture takes a fifth of the time of bytes.count.
_JPEG_SCAN = re.compile(rb"\xff\xda")
# By colour type. Before a header of one of these Pillow passes over pixels, and over other headers.
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ENDS_EARLY = "The picture's header ends before it says how large the picture is; send all of it."


class PictureSize(NamedTuple):
    """How large a picture says that it is.

    Attributes:
        width: in pixels, as it is stored: an orientation in its EXIF data is not applied.
        height: the same.
    """

    width: int
    height: int


def read_size(image: bytes, media_type: str) -> PictureSize | None:
    """Read a picture's size from its header, as Pillow does, which decides in the container.

    So of several sizes the last one before the pixels counts, odd orders and junk are passed over,
    and what is inside a segment, such as the thumbnail of EXIF data, is not looked at.

    Args:
        image: the picture's bytes.
        media_type: its format, "image/jpeg", "image/png" or "image/webp".

    Returns:
        The size, unchecked, or None: it is in no place where this looks; a decoder may know more.

    Raises:
        UnreadableImageError: the bytes or the header end before the size; no decoder reads that.
    """
    readers = {"image/jpeg": _jpeg_size, "image/png": _png_size, "image/webp": _webp_size}
    return readers[media_type](image)


def has_more_jpeg_scans(image: bytes, limit: int) -> bool:
    """Tell whether a JPEG has more scans than a limit.

    Args:
        image: the picture's bytes.
        limit: how many it may have. Those of a thumbnail count too, as in the container.

    Returns:
        Whether there are more.
    """
    return next(islice(_JPEG_SCAN.finditer(image), limit, None), None) is not None


def _jpeg_size(image: bytes) -> PictureSize | None:
    size = None
    position = 2
    for _ in range(MOST_PARTS):
        marker = _JPEG_MARKER.search(image, position)
        kind = _JPEG_START_OF_SCAN if marker is None else image[marker.end() - 1]
        if marker is None or kind == _JPEG_START_OF_SCAN:
            return _found(size)
        position = marker.end()
        if kind in _JPEG_FRAMES:
            height, width = _unpack(">HH", image, position + 3)
            size = PictureSize(width, height)
        if kind in _JPEG_SEGMENTS:
            position += int.from_bytes(image[position : position + 2], "big")
    return None


def _png_size(image: bytes) -> PictureSize | None:
    size = None
    position = 8
    for _ in range(MOST_PARTS):
        kind = image[position + 4 : position + 8]
        if kind in (b"", b"IEND"):
            return _found(size)
        if kind in (b"IDAT", b"fdAT"):
            return size
        if kind == b"IHDR":
            width, height, depth, colour_type = _unpack(">IIBB", image, position + 8)
            if depth not in _PNG_DEPTHS.get(colour_type, ()):
                return None
            size = PictureSize(width, height)
        # Beside its content a chunk has its length, its kind and a checksum.
        position += 12 + int.from_bytes(image[position : position + 4], "big")
    return None


def _webp_size(image: bytes) -> PictureSize | None:
    [kind] = _unpack("4s", image, 12)
    if kind == b"VP8 ":
        start_code, width, height = _unpack("<3sHH", image, 23)
        # The two highest bits of each scale the picture on a screen.
        size = PictureSize(width & 0x3FFF, height & 0x3FFF)
        return size if start_code == b"\x9d\x01\x2a" else None
    if kind == b"VP8L":
        signature, bits = _unpack("<BI", image, 20)
        size = PictureSize((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        return size if signature == 0x2F else None
    if kind == b"VP8X":
        width, width_high, height, height_high = _unpack("<HBHB", image, 24)
        return PictureSize((width_high << 16 | width) + 1, (height_high << 16 | height) + 1)
    return None


def _unpack(layout: str, image: bytes, position: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, image, position)
    except struct.error as error:
        raise UnreadableImageError(_ENDS_EARLY) from error


def _found(size: PictureSize | None) -> PictureSize:
    if size is None:
        raise UnreadableImageError(_ENDS_EARLY)
    return size
