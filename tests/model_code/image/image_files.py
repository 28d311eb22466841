"""Files made byte by byte, and what the decoder makes of them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy
import pytest
from PIL import Image

from classifier.errors import RequestError
from classifier.image.decoding import decode_image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
WHITE = (255, 255, 255)
MAX_BODY_BYTES = 10 * 1024 * 1024
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
# Half red, half blue, and wider than high.
IMAGE = Image.new("RGB", (16, 8), "red")
IMAGE.paste("blue", (8, 0, 16, 8))
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def encode(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def chunk_of(kind: bytes, content: bytes = b"", *, checksum: int | None = None) -> bytes:
    value = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", value)


def png_of(
    rows: list[bytes], *chunks: bytes, width: int, depth: int, colour: int, after: bytes = b""
) -> bytes:
    """A PNG of rows of packed samples, with `chunks` before its pixels and `after` behind them."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [
        chunk_of(b"IHDR", header),
        *chunks,
        chunk_of(b"IDAT", pixels),
        after,
        chunk_of(b"IEND"),
    ]
    return SIGNATURE + b"".join(parts)


def rgb_png(*chunks: bytes, after: bytes = b"") -> bytes:
    row = b"\xff\0\0" * 8 + b"\0\0\xff" * 8
    return png_of([row] * 8, *chunks, width=16, depth=8, colour=RGB, after=after)


def first_row(data: bytes) -> list[tuple[int, ...]]:
    """The first row of the decoded image."""
    pixels = numpy.asarray(decode_image(data))
    assert pixels.shape[2] == 3
    return [tuple(pixel) for pixel in pixels[0].tolist()]


def is_same(data: bytes, other: bytes) -> bool:
    first, second = decode_image(data), decode_image(other)
    return first.size == second.size and first.tobytes() == second.tobytes()


def refusal_of(data: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        decode_image(data)
    return caught.value


def segment_of(kind: int, content: bytes) -> bytes:
    return b"\xff" + bytes([kind]) + struct.pack(">H", len(content) + 2) + content


def with_segment(data: bytes, segment: bytes) -> bytes:
    return data[:2] + segment + data[2:]


NOISE = Image.effect_noise((120, 90), 60).convert("RGB")
