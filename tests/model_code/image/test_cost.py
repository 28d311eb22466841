"""The estimate follows from the header that the decoder uses, however the file hides it."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from classifier.image.cost import estimate_decode_seconds
from tests.cpu_time import check_cpu_time
from tests.model_code.image.image_files import MAX_BODY_BYTES, chunk_of, encode

HUGE = struct.pack(">IIBBBBB", 5000, 5000, 8, 2, 0, 0, 0)
TINY = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
TALL = struct.pack(">IIBBBBB", 1, 25_000_000, 8, 2, 0, 0, 0)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Of 25 megapixels in each format, and of an image of next to nothing.
EXPENSIVE_SECONDS = 0.14
CHEAP_SECONDS = 0.01


def _png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks) + chunk_of(b"IDAT", bytes(9)) + chunk_of(b"IEND")


def _jpeg(width: int, height: int, *before: bytes, progressive: bool = False) -> bytes:
    data = encode(Image.new("RGB", (8, 8)), "JPEG", progressive=progressive)
    start = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    frame = data[start : start + 5] + struct.pack(">HH", height, width)
    return data[:start] + b"".join(before) + frame + data[start + 9 :]


def _webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\x40\0\0\0WEBP" + kind + b"\x20\0\0\0" + body + bytes(20)


WEBP_SIDE = (4999).to_bytes(3, "little")
SIDES_OF_A_LOSSLESS_WEBP = struct.pack("<I", 4999 | 4999 << 14)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_png(chunk_of(b"IHDR", HUGE)), id="PNG"),
        pytest.param(
            _png(chunk_of(b"IHDR", TINY), chunk_of(b"IHDR", HUGE)), id="PNG of two headers"
        ),
        pytest.param(_png(chunk_of(b"tEXt", TINY), chunk_of(b"IHDR", HUGE)), id="PNG with a text"),
        pytest.param(
            _png(*[chunk_of(b"tEXt")] * 600, chunk_of(b"IHDR", TINY)), id="PNG of many chunks"
        ),
        pytest.param(_jpeg(5000, 5000), id="JPEG"),
        pytest.param(_jpeg(5000, 5000, b"\xff\xfe\0\x12" + _jpeg(1, 1)[-16:]), id="with a comment"),
        pytest.param(_jpeg(1, 1, *[b"\xff\xfe\0\2"] * 600), id="JPEG of many segments"),
        pytest.param(_webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + b"\x88\x13" * 2), id="lossy WebP"),
        pytest.param(_webp(b"VP8L", b"\x2f" + SIDES_OF_A_LOSSLESS_WEBP), id="lossless WebP"),
        pytest.param(_webp(b"VP8X", bytes(4) + WEBP_SIDE * 2), id="extended WebP"),
    ],
)
def test_an_image_of_25_megapixels_is_expensive_whatever_its_file_has(data: bytes) -> None:
    assert len(data) < 10_000
    assert estimate_decode_seconds(data) > EXPENSIVE_SECONDS
    assert estimate_decode_seconds(memoryview(bytearray(data))) > EXPENSIVE_SECONDS


@pytest.mark.parametrize(
    "data",
    [
        b"no image",
        b"\xff\xd8\xff",
        SIGNATURE,
        b"RIFF\0\0\0\0WEBPVP8X",
        _png(),
        _png(chunk_of(b"IHDR", b"short")),
        _png(chunk_of(b"IHDR", TINY), chunk_of(b"IDAT", bytes(9)), chunk_of(b"IHDR", HUGE)),
        pytest.param(_jpeg(65_500, 65_500), id="too large to be decoded"),
        pytest.param(_png(chunk_of(b"IHDR", TALL)), id="too tall to be decoded"),
        encode(Image.new("RGB", (224, 224)), "JPEG"),
        encode(Image.new("RGB", (224, 224)), "PNG"),
        encode(Image.new("RGB", (224, 224)), "WEBP"),
    ],
)
def test_an_image_that_is_small_or_refused_is_cheap(data: bytes) -> None:
    assert 0 < estimate_decode_seconds(data) < CHEAP_SECONDS


def test_each_scan_of_a_progressive_jpeg_costs_more() -> None:
    data = _jpeg(1000, 1000, progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    many = data[:-2] + scan * 100 + data[-2:]
    assert estimate_decode_seconds(many) > 5 * estimate_decode_seconds(data)
    baseline = _jpeg(1000, 1000)
    assert estimate_decode_seconds(baseline) < estimate_decode_seconds(data)


def test_bytes_cost_beside_pixels() -> None:
    data = _jpeg(1000, 1000)
    assert estimate_decode_seconds(data + bytes(1_000_000)) > 2 * estimate_decode_seconds(data)


SMALL_JPEG = _jpeg(8, 8)
HEADER = SMALL_JPEG[: SMALL_JPEG.index(b"\xff\xda")]


@pytest.mark.parametrize(
    "start", [b"\xff\xd8\xff", HEADER, _jpeg(8, 8, progressive=True)], ids=repr
)
@pytest.mark.parametrize("filler", [b"\xff", b"\xff\0", b"\0", b"\xff\xd0", b"\xff\xfe\0\2"])
def test_no_file_holds_up_the_server_that_estimates_its_cost(start: bytes, filler: bytes) -> None:
    data = memoryview(bytearray(start + filler * (MAX_BODY_BYTES // len(filler))))
    estimate = check_cpu_time(lambda: estimate_decode_seconds(data), max_seconds=0.02)
    assert estimate > CHEAP_SECONDS
