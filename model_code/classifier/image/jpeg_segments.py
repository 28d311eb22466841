"""Remove the segments of a JPEG that do not change its pixels."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Final

# A marker: the last of its 0xFF bytes, then its kind. 0xFF 0 is no marker but a literal 0xFF.
_MARKER = re.compile(rb"\xff[^\xff\0]")
_APP0, _APP1, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = b"\xff\xd9"
_EMPTY_COMMENT: Final = b"\xff\xfe\0\2"
# Markers with a length and content; all others (RSTn, SOI, EOI, reserved) are the marker alone.
_WITH_CONTENT: Final = {*range(0xC0, 0xD0), *range(0xDA, 0xF0), _COMMENT} - {0xC8}
# Counting with this pattern takes a fifth of the time of bytes.count.
_SCAN = re.compile(rb"\xff\xda")
# libjpeg ignores shorter segments, but Pillow refuses an image that has one.
_MIN_JFIF_LENGTH: Final = 14
_MIN_ADOBE_LENGTH: Final = 12
# Real images have tens of segments; each one takes a decoder time.
MAX_SEGMENTS: Final = 10_000


def without_metadata(data: bytes) -> tuple[bytes, Callable[[], bool]]:
    """Return a JPEG whose header keeps only the application data that affects the pixels' look.

    Kept are valid JFIF and Adobe segments, which define the colours, and the first EXIF data, for
    the orientation. Comments, colour profiles, XMP, previews and the index of further images are
    removed. Takes time and memory proportional to the length of the data.

    Args:
        data: begins with the JPEG marker.

    Returns:
        The JPEG, and a function that tells whether it is complete: it has pixels, followed by an
        end marker. The function scans all pixel data: call it only when the result is needed.
    """
    kept: list[bytes] = []
    start, position, has_exif = 0, 2, False
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.search(data, position)
        if marker is None:
            return _without_gaps(kept, data[start:]), lambda: False
        kind = data[marker.end() - 1]
        position = marker.end()
        if kind == _START_OF_SCAN:
            break
        if kind not in _WITH_CONTENT:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        position += max(2, length)
        content = data[marker.end() + 2 : position]
        is_exif = kind == _APP1 and not has_exif and content.startswith(b"Exif\0\0")
        has_exif |= is_exif
        if not is_exif and length >= 2 and _is_metadata(kind, content):
            kept.append(data[start : marker.start()])
            start = position
    else:
        # Too many segments: return data that a decoder rejects at once.
        return data[:2], lambda: True
    return _without_gaps(kept, data[start:]), lambda: data.find(_END_OF_IMAGE, position) >= 0


def has_more_scans(data: bytes, limit: int) -> bool:
    """Return whether a JPEG has more scans than `limit`; a thumbnail's scans count too."""
    return next(islice(_SCAN.finditer(data), limit, None), None) is not None


def _without_gaps(kept: list[bytes], rest: bytes) -> bytes:
    # An empty comment replaces what was removed. Without it, bytes before and after a removed
    # segment could join to a marker that the file does not have. It also keeps junk from directly
    # following the first marker, which Pillow would not recognize as a JPEG.
    return _EMPTY_COMMENT.join(piece for piece in (*kept, rest) if piece)


def _is_metadata(kind: int, content: bytes) -> bool:
    if kind == _APP0:
        return not (content.startswith(b"JFIF\0") and len(content) >= _MIN_JFIF_LENGTH)
    if kind == _APP14:
        return not (content.startswith(b"Adobe") and len(content) >= _MIN_ADOBE_LENGTH)
    return _APP1 <= kind <= _APP15 or kind == _COMMENT
