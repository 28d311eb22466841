"""Checks of an image without decoding it: its format, and the size in its header."""

import re
import struct
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from classifier_proxy.errors import (
    EmptyBodyError,
    ImageTooLargeError,
    PayloadTooLargeError,
    UnreadableImageError,
    UnsupportedImageError,
)

MAX_IMAGE_BYTES = 4 * 1024 * 1024
"""4 MiB: encoded in base64, this fits the 6 MB of a synchronous invocation of Lambda."""

MAX_PIXELS = 25_000_000
"""As in the container; `model_code/classifier/image/decoding.py` has the reason."""

MAX_BASELINE_JPEG_PIXELS = 50_000_000
"""As in the container, which lets the decoder reduce a baseline JPEG of more than `MAX_PIXELS`."""

MAX_PNG_SIDE_PIXELS = 65_535
"""As in the container."""

MAX_JPEG_SCANS = 128
"""As in the container."""

MAX_HEADER_PARTS = 1000
"""Segments or chunks that are read to find the size; real images have only tens before it."""

MAX_JPEG_EXTRANEOUS_BYTES = 65_536
"""As in the container: fill bytes and junk between the segments of a header."""

# A marker: the last of its 0xFF bytes, then its kind. 0xFF 0 is no marker but a literal 0xFF.
_JPEG_MARKER = re.compile(rb"\xff[^\xff\0]")
_JPEG_START_OF_SCAN = 0xDA
# SOF0 to 15 without DHT, JPG and DAC among them, and DHP, the frame of a hierarchical image.
_JPEG_FRAMES = {0xDE, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_BASELINE_FRAMES = {0xC0, 0xC1}
# Markers with a length and content; all others (RSTn, SOI, EOI, reserved) are the marker alone.
_JPEG_SEGMENTS = {*_JPEG_FRAMES, 0xC4, 0xCC, 0xFE, *range(0xDB, 0xF0)}
# Counting with this pattern takes a fifth of the time of bytes.count.
_JPEG_SCAN = re.compile(rb"\xff\xda")
# By color type. Pillow skips pixels, and other headers, before a header of one of these.
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_OF_A_PROGRESSIVE_JPEG = (
    f" of a progressive JPEG ({MAX_BASELINE_JPEG_PIXELS // 1_000_000} of another)"
)
_ENDS_EARLY = "The image's header ends before its width and height; send the whole image."
_NO_PIXELS = "The JPEG is cut off: it has a header and no pixels. Send all of the file."
_EXTRANEOUS = (
    f"The JPEG is damaged: more than {MAX_JPEG_EXTRANEOUS_BYTES} bytes of its header belong to no"
    " segment; save it again."
)


class ImageSize(NamedTuple):
    """Width and height in pixels, as stored: an orientation in the EXIF data is not applied."""

    width: int
    height: int


class _JpegFrame(NamedTuple):
    size: ImageSize
    is_baseline: bool


_Header = TypeVar("_Header", ImageSize, _JpegFrame)


class _CutOffError(UnreadableImageError):
    """The header goes on after the bytes."""


class CheckedImage(NamedTuple):
    """The properties of an image that passed the checks.

    Attributes:
        media_type: its true format, "image/jpeg", "image/png" or "image/webp".
        size: None if the header does not tell it; the container decides.
    """

    media_type: str
    size: ImageSize | None


def check_image(image: bytes, *, max_bytes: int | None = MAX_IMAGE_BYTES) -> CheckedImage:
    """Check an image without decoding it.

    The format is detected from the bytes, not the Content-Type: a JPEG sent as image/png is a JPEG.
    An image that the container would decode is never rejected; in case of doubt the image passes.

    Args:
        image: the whole image.
        max_bytes: the most bytes that it may have; None: that was checked already.

    Raises:
        EmptyBodyError: the image has no bytes.
        PayloadTooLargeError: more bytes than `max_bytes`.
        UnsupportedImageError: not one of the three formats; the message names the format, if known.
        UnreadableImageError: no size, a side of 0 pixels, or a JPEG with no pixels, more scans than
            `MAX_JPEG_SCANS`, or more than `MAX_JPEG_EXTRANEOUS_BYTES` between its segments.
        ImageTooLargeError: more pixels than `MAX_PIXELS`, or, for a baseline JPEG, than
            `MAX_BASELINE_JPEG_PIXELS`, or, on a side of a PNG, than
            `MAX_PNG_SIDE_PIXELS`.
    """
    if not image:
        raise EmptyBodyError
    if max_bytes is not None:
        check_byte_count(len(image), max_bytes)
    media_type = _check_format(image)
    if media_type == "image/jpeg" and _has_too_many_scans(image):
        raise UnreadableImageError(f"The JPEG has more than {MAX_JPEG_SCANS} scans; save it again.")
    return CheckedImage(media_type, _check_size(image, media_type))


def check_start(start: bytes) -> None:
    """Check the first bytes of an image that goes on; in case of doubt it passes.

    Raises:
        UnsupportedImageError, UnreadableImageError, ImageTooLargeError: `check_image` would raise
            the same for the whole image.
    """
    media_type = _check_format(start)
    with suppress(_CutOffError):
        _check_size(start, media_type)


def check_byte_count(count: int, max_bytes: int = MAX_IMAGE_BYTES) -> None:
    """Raise PayloadTooLargeError if an image has more bytes than `max_bytes`."""
    if count > max_bytes:
        most = f"{max_bytes} (4 MiB)" if max_bytes == MAX_IMAGE_BYTES else str(max_bytes)
        raise PayloadTooLargeError(
            f"The image has {count} bytes; at most {most} are accepted. Send a smaller one."
        )


def starts_like_an_image(body: bytes) -> bool:
    """Return whether a body is probably an image, even one that was converted to text."""
    return _media_type(body) is not None or body.startswith(("\ufffd".encode(), b"\x89PNG"))


def _media_type(image: bytes) -> str | None:
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "image/webp"
    return None


def _check_format(image: bytes) -> str:
    media_type = _media_type(image)
    if media_type is None:
        raise UnsupportedImageError(_describe_unsupported(image))
    return media_type


def _check_size(image: bytes, media_type: str) -> ImageSize | None:
    if media_type == "image/jpeg":
        frame = _jpeg_frame(image)
        if frame is None:
            return None
        if frame.is_baseline:
            _check_pixels(frame.size, MAX_BASELINE_JPEG_PIXELS)
        else:
            _check_pixels(frame.size, MAX_PIXELS, _OF_A_PROGRESSIVE_JPEG)
        return frame.size
    size = _png_size(image) if media_type == "image/png" else _webp_size(image)
    if size is not None:
        _check_pixels(size, MAX_PIXELS)
        if media_type == "image/png" and max(size) > MAX_PNG_SIDE_PIXELS:
            raise ImageTooLargeError(
                f"The image has {size.width} x {size.height} pixels; at most"
                f" {MAX_PNG_SIDE_PIXELS} on a side of a PNG are accepted. Send a smaller one."
            )
    return size


def _describe_unsupported(body: bytes) -> str | None:
    # Imported here, so that only an unsupported format waits for it.
    from classifier_proxy.unsupported_bodies import describe

    return describe(body)


def _check_pixels(size: ImageSize, max_pixels: int, of_what: str = "") -> None:
    width, height = size
    if not width or not height:
        raise UnreadableImageError(f"The image's header says {width} x {height} pixels.")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"The image has {width} x {height} pixels; at most {max_pixels // 1_000_000}"
            f" megapixels{of_what} are accepted. Send a smaller one."
        )


def _has_too_many_scans(image: bytes) -> bool:
    # A thumbnail's scans count too, as in the container.
    return next(islice(_JPEG_SCAN.finditer(image), MAX_JPEG_SCANS, None), None) is not None


# The sizes are read as by Pillow, which the container uses: the last size before the pixels counts,
# odd orders and junk are skipped, and nothing inside a segment is read (such as an EXIF thumbnail).
# None: these functions found no size, but a decoder may find one.


def _jpeg_frame(image: bytes) -> _JpegFrame | None:
    frame: _JpegFrame | None = None
    position, extraneous = 2, 0
    for _ in range(MAX_HEADER_PARTS):
        limit = position + MAX_JPEG_EXTRANEOUS_BYTES - extraneous + 2
        marker = _JPEG_MARKER.search(image, position, limit)
        if marker is None:
            if limit < len(image):
                raise UnreadableImageError(_EXTRANEOUS)
            _found(frame)
            raise _CutOffError(_NO_PIXELS)
        extraneous += marker.start() - position
        position = marker.end()
        kind = image[position - 1]
        if kind == _JPEG_START_OF_SCAN:
            return _found(frame)
        if kind in _JPEG_FRAMES:
            height, width = _unpack(">HH", image, position + 3)
            frame = _JpegFrame(ImageSize(width, height), kind in _JPEG_BASELINE_FRAMES)
        if kind in _JPEG_SEGMENTS:
            position += int.from_bytes(image[position : position + 2], "big")
    return None


def _png_size(image: bytes) -> ImageSize | None:
    size = None
    position = 8
    for _ in range(MAX_HEADER_PARTS):
        kind = image[position + 4 : position + 8]
        if kind in (b"", b"IEND"):
            return _found(size)
        if kind in (b"IDAT", b"fdAT"):
            return size
        if kind == b"IHDR":
            width, height, depth, color_type = _unpack(">IIBB", image, position + 8)
            if depth not in _PNG_DEPTHS.get(color_type, ()):
                return None
            size = ImageSize(width, height)
        # Besides its content a chunk has a length, a kind and a checksum.
        position += 12 + int.from_bytes(image[position : position + 4], "big")
    return None


def _webp_size(image: bytes) -> ImageSize | None:
    [kind] = _unpack("4s", image, 12)
    if kind == b"VP8 ":
        start_code, width, height = _unpack("<3sHH", image, 23)
        # The two highest bits of each are only a scale for displaying the image.
        size = ImageSize(width & 0x3FFF, height & 0x3FFF)
        return size if start_code == b"\x9d\x01\x2a" else None
    if kind == b"VP8L":
        signature, bits = _unpack("<BI", image, 20)
        size = ImageSize((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        return size if signature == 0x2F else None
    if kind == b"VP8X":
        width, width_high, height, height_high = _unpack("<HBHB", image, 24)
        return ImageSize((width_high << 16 | width) + 1, (height_high << 16 | height) + 1)
    return None


def _unpack(layout: str, image: bytes, position: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, image, position)
    except struct.error as error:
        raise _CutOffError(_ENDS_EARLY) from error


def _found(header: _Header | None) -> _Header:
    if header is None:
        raise _CutOffError(_ENDS_EARLY)
    return header
