"""Estimate the processor time of decoding an image, from its header."""

from __future__ import annotations

from typing import Final, NamedTuple

from classifier.errors import RequestError
from classifier.image import jpeg_segments, png_chunks, webp_canvas
from classifier.image.decoding import (
    MAX_BASELINE_JPEG_PIXELS,
    MAX_JPEG_SCANS,
    MAX_PIXELS,
    MAX_PNG_SIDE_PIXELS,
)
from classifier.image.formats import image_format


class _Cost(NamedTuple):
    """Milliseconds of processor time for each megapixel and for each megabyte of the file."""

    megapixel: float
    megabyte: float


# Decoding and cropping, of 0.2 to 12 megapixels, flat and noisy, on one core of an AMD EPYC
# (Pillow 13): JPEG 6 to 14 ms a megapixel, PNG 12 to 29, WebP 15 to 47. A lossless WebP of 25
# megapixels that are all alike has 40 bytes and takes 0.64 s.
_COSTS: Final = {
    "JPEG": _Cost(megapixel=6, megabyte=18),
    "PNG": _Cost(megapixel=18, megabyte=6),
    "WEBP": _Cost(megapixel=25, megabyte=11),
}
# Each scan of a progressive JPEG, for each megapixel: 0.7 to 0.9 with nothing in it.
_SCAN_MILLISECONDS: Final = 0.8
_FIXED_MILLISECONDS: Final = 2.0
# Real images have tens; an image with more is taken for one of the largest size.
_MAX_HEADER_PARTS: Final = 500


def estimate_decode_seconds(data: bytes | memoryview) -> float:
    """Return the processor time that decoding and cropping an image takes, in seconds.

    An estimate for a usual machine, within a factor of two; takes microseconds and reads the header
    only, and of a progressive JPEG also the number of scans. An image that the decoder refuses by
    its first bytes costs nothing but the fixed part.
    """
    try:
        format_name = image_format(data)
    except RequestError:
        return _FIXED_MILLISECONDS / 1000
    try:
        pixels, scans = _READERS[format_name](data)
    except OverflowError:
        pixels, scans = MAX_PIXELS, 0
    cost = _COSTS[format_name]
    milliseconds = (cost.megapixel + scans * _SCAN_MILLISECONDS) * pixels / 1e6
    return (_FIXED_MILLISECONDS + milliseconds + cost.megabyte * len(data) / 1e6) / 1000


def _jpeg(data: bytes | memoryview) -> tuple[int, int]:
    """Return the number of pixels, and of the scans that each take a pass over them."""
    frame = jpeg_segments.read_frame(data, max_segments=_MAX_HEADER_PARTS)
    if frame is None:
        return 0, 0
    size = frame.width, frame.height
    if frame.is_baseline:
        return _pixels(size, MAX_BASELINE_JPEG_PIXELS), 0
    return _pixels(size, MAX_PIXELS), jpeg_segments.count_scans(data, MAX_JPEG_SCANS)


def _png(data: bytes | memoryview) -> tuple[int, int]:
    size = png_chunks.read_size(data, max_chunks=_MAX_HEADER_PARTS)
    if size is not None and max(size) > MAX_PNG_SIDE_PIXELS:
        return 0, 0  # refused before it is decoded
    return _pixels(size, MAX_PIXELS), 0


def _webp(data: bytes | memoryview) -> tuple[int, int]:
    return _pixels(webp_canvas.read_size(data), MAX_PIXELS), 0


def _pixels(size: tuple[int, int] | None, max_pixels: int) -> int:
    pixels = 0 if size is None else size[0] * size[1]
    # An image with more is refused before it is decoded.
    return pixels if pixels <= max_pixels else 0


_READERS: Final = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}
