"""Detect an image's format by its first bytes; describe a format that is not accepted."""

from __future__ import annotations

import re
from typing import Final

from classifier.errors import RequestError

FORMATS: Final = ("JPEG", "PNG", "WEBP")
JPEG_START: Final = b"\xff\xd8\xff"

_CONVERT: Final = "convert it to JPEG, PNG or WebP and send that"
_IMAGE: Final = "a{} image; " + _CONVERT
_OTHERS: Final = (
    (rb"GIF8", " GIF"),
    # The two letters alone might begin a text; the four reserved bytes are zero.
    (rb"BM.{4}\0{4}", " BMP"),
    (rb"II[*+]\0|MM\0[*+]", " TIFF"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", " JPEG XL"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", " JPEG 2000"),
    (rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--[^>]{0,500}>\s*)?(?:<!DOCTYPE svg|<svg)", "n SVG"),
)
_BY_FIRST_BYTES: Final = (
    *((re.compile(pattern, re.DOTALL), _IMAGE.format(name)) for pattern, name in _OTHERS),
    (re.compile(rb"\x1f\x8b"), "compressed with gzip; send the image itself"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive; send one of its images"),
    (re.compile(rb"%PDF"), "a PDF document; save its page as JPEG, PNG or WebP and send that"),
    (re.compile(rb"\s*<!?[a-zA-Z]"), "a page of HTML or XML; send an image's bytes"),
    (re.compile(rb"data:|/9j/|iVBORw0KGgo|UklGR"), "base64; send the bytes that it encodes"),
    (
        re.compile(rb'\s*[{\[]\s*["{]'),
        (
            'JSON; send {"instances": [{"b64": "<base64 of the image>"}]} with Content-Type: '
            "application/json, or the image's bytes"
        ),
    ),
)
# An AVIF may also name mif1, as HEIC images do, so AVIF is checked first.
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIC_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_LENGTH_READ: Final = 1024


def image_format(data: bytes | memoryview) -> str:
    """Return the image's format, one of `FORMATS`.

    Raises:
        RequestError: `unsupported_image`; the message names the format of the bytes if it is known,
            and says what to do.
    """
    start = bytes(data[:_LENGTH_READ])
    if start.startswith(JPEG_START):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    description = _describe(start) or f"no JPEG, PNG or WebP image; {_CONVERT}"
    raise RequestError("unsupported_image", f"The data is {description}.")


def _describe(start: bytes) -> str | None:
    if start[4:8] == b"ftyp":
        return _describe_iso_image(start)
    for pattern, description in _BY_FIRST_BYTES:
        if pattern.match(start):
            return description
    return None


def _describe_iso_image(start: bytes) -> str | None:
    """Tell AVIF from HEIC (ISO/IEC 14496-12) by the brands of the first box."""
    box = start[8 : max(16, min(int.from_bytes(start[:4], "big"), _LENGTH_READ))]
    brands = {box[place : place + 4] for place in range(0, len(box), 4)}
    if brands & _AVIF_BRANDS:
        return _IMAGE.format("n AVIF")
    return _IMAGE.format(" HEIC") if brands & _HEIC_BRANDS else None
