"""Read the header of a JPEG, and remove the segments that do not change its pixels."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

import numpy

# A marker: the last of its 0xFF bytes, then its kind. 0xFF 0 is no marker but a literal 0xFF.
_MARKER = re.compile(rb"\xff[^\xff\0]")
_APP0, _APP1, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_MARKER_BYTE: Final = 0xFF
# The two bytes of a marker with content, and its length.
_SEGMENT_HEAD: Final = struct.Struct(">BBH")
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = b"\xff\xd9"
_EMPTY_COMMENT: Final = b"\xff\xfe\0\2"
_EXIF: Final = b"Exif\0\0"
# Markers with a length and content; all others (RSTn, SOI, EOI, reserved) are the marker alone.
_WITH_CONTENT: Final = {*range(0xC0, 0xD0), *range(0xDA, 0xF0), _COMMENT} - {0xC8}
# SOF0 to SOF15, without the tables DHT and DAC and the reserved JPG among them.
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BASELINE_FRAMES: Final = {0xC0, 0xC1}
# Precision, height, width, number of components.
_MIN_FRAME_LENGTH: Final = 6
# Small enough for the processor's cache.
_BLOCK_BYTES: Final = 256 * 1024
# libjpeg ignores shorter segments, but Pillow refuses an image that has one.
_MIN_JFIF_LENGTH: Final = 14
_MIN_ADOBE_LENGTH: Final = 12
# Real images have tens of segments; each one takes a decoder time.
MAX_SEGMENTS: Final = 10_000
# Fill bytes and junk between the segments, which Pillow reads one by one: 4 MiB take it a second.
# Real images have a few.
MAX_EXTRANEOUS_BYTES: Final = 65_536


class Frame(NamedTuple):
    """What the header of a JPEG says of its pixels.

    Attributes:
        is_baseline: sequential with Huffman coding: decoded in one pass, at a reduced size if the
            decoder is told to.
    """

    width: int
    height: int
    is_baseline: bool


class Jpeg(NamedTuple):
    """A JPEG without its metadata.

    Attributes:
        essence: the JPEG.
        frame: as `read_frame` returns it; also `None` if the header is too long.
        exif: its first EXIF data, which `essence` has too; empty if there is none.
        is_complete: returns whether it has pixels, followed by an end marker. Scans all pixel data:
            call it only when the result is needed.
    """

    essence: bytes
    frame: Frame | None
    exif: bytes
    is_complete: Callable[[], bool]


# A marker of the header: its kind, start and end, the length of its content as the file has it, and
# the end of the content. A plain tuple: an image has about ten.
_Segment = tuple[int, int, int, int, int]


def read_frame(data: bytes | memoryview, *, max_segments: int) -> Frame | None:
    """Return the frame that a decoder would use: the last one before the pixels.

    Reads no more than the header, of which segments are skipped by their length: takes time
    proportional to `max_segments`, whatever the length of the data.

    Args:
        data: begins with the JPEG marker.
        max_segments: how much of the header may be read.

    Returns:
        The frame, or `None` if the header has none.

    Raises:
        OverflowError: the header has more segments, or more than `MAX_EXTRANEOUS_BYTES` between
            them.
    """
    frame = None
    for kind, _, marker_end, _, end in _segments(data, max_segments):
        if kind in _FRAMES:
            frame = _frame(kind, data[marker_end + 2 : end]) or frame
    return frame


def read_jpeg(data: bytes) -> Jpeg:
    """Read a JPEG's header, and leave out the application data that does not affect its look.

    Kept are valid JFIF and Adobe segments, which define the colours, and the first EXIF data, for
    the orientation. Comments, colour profiles, XMP, previews and the index of further images are
    removed. Of a JPEG whose header is too long, only the first marker is left. Takes time and
    memory proportional to the length of the data.

    Args:
        data: begins with the JPEG marker.
    """
    kept: list[bytes] = []
    start, frame, exif = 0, None, b""
    try:
        for kind, marker_start, marker_end, length, end in _segments(data, MAX_SEGMENTS):
            if kind == _START_OF_SCAN:
                is_complete = partial(_has_end, data, marker_end)
                return Jpeg(_without_gaps(kept, data[start:]), frame, exif, is_complete)
            if kind not in _WITH_CONTENT:
                continue
            content = data[marker_end + 2 : end]
            if kind in _FRAMES:
                frame = _frame(kind, content) or frame
            is_exif = kind == _APP1 and not exif and content.startswith(_EXIF)
            if is_exif:
                exif = content
            elif length >= 2 and _is_metadata(kind, content):
                kept.append(data[start:marker_start])
                start = end
    except OverflowError:
        # Data that a decoder rejects at once.
        return Jpeg(data[:2], None, b"", lambda: True)
    return Jpeg(_without_gaps(kept, data[start:]), frame, exif, lambda: False)


def _frame(kind: int, content: bytes | memoryview) -> Frame | None:
    """Return the frame that a segment is, or `None` if it is too short."""
    if len(content) < _MIN_FRAME_LENGTH:
        return None
    height, width = struct.unpack_from(">HH", content, 1)
    return Frame(width, height, kind in _BASELINE_FRAMES)


def _segments(data: bytes | memoryview, max_segments: int) -> Iterator[_Segment]:
    """Yield the markers of the header; the last one is the start of the first scan, if any.

    Raises OverflowError as `read_frame` does.
    """
    position, extraneous = 2, 0
    for _ in range(max_segments):
        if position + _SEGMENT_HEAD.size <= len(data):
            # Usually a segment follows the last one directly: no search, which takes longer.
            first, kind, length = _SEGMENT_HEAD.unpack_from(data, position)
            if first == _MARKER_BYTE and kind in _WITH_CONTENT:
                end = position + 2 + max(2, length)
                yield kind, position, position + 2, length, end
                if kind == _START_OF_SCAN:
                    return
                position = end
                continue
        # A marker that begins at the last byte allowed has one byte after it.
        limit = position + MAX_EXTRANEOUS_BYTES - extraneous + 2
        marker = _MARKER.search(data, position, limit)
        if marker is None:
            if limit < len(data):
                raise OverflowError(f"the header has more than {MAX_EXTRANEOUS_BYTES} other bytes")
            return
        start, end = marker.span()
        extraneous += start - position
        position = end
        kind, length = data[position - 1], 0
        if kind in _WITH_CONTENT:
            length = int.from_bytes(data[position : position + 2], "big")
            end += max(2, length)
        yield kind, start, position, length, end
        if kind == _START_OF_SCAN:
            return
        position = end
    raise OverflowError(f"the header has more than {max_segments} segments")


def count_scans(data: bytes | memoryview, limit: int) -> int:
    """Return the number of a JPEG's scans, or `limit` if it has more; a thumbnail's count too.

    Takes 0.5 ms a megabyte, whatever the bytes are; a regular expression takes up to 4 ms.
    """
    count = 0
    samples = numpy.frombuffer(data, numpy.uint8)
    for start in range(0, len(samples), _BLOCK_BYTES):
        block = samples[start : start + _BLOCK_BYTES + 1]
        is_scan = (block[:-1] == _MARKER_BYTE) & (block[1:] == _START_OF_SCAN)
        count += int(numpy.count_nonzero(is_scan))
        if count >= limit:
            return limit
    return count


def has_more_scans(data: bytes, limit: int) -> bool:
    """Return whether a JPEG has more scans than `limit`."""
    return count_scans(data, limit + 1) > limit


def _has_end(data: bytes, position: int) -> bool:
    return data.find(_END_OF_IMAGE, position) >= 0


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
