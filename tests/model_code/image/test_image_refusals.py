"""What is no image, and images that are cut off or damaged: named with what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cpu_time import check_cpu_time
from tests.model_code.image.image_files import (
    IMAGE,
    NOISE,
    encode,
    exif_of,
    refusal_of,
)


def _ftyp(brand: bytes, *others: bytes) -> bytes:
    content = b"ftyp" + brand + bytes(4) + b"".join(others)
    return (4 + len(content)).to_bytes(4, "big") + content


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_ftyp(b"heic", b"mif1", b"heic"), "a HEIC image; convert it to JPEG, PNG or WebP"),
        (_ftyp(b"mif1", b"heic"), "a HEIC image"),
        (_ftyp(b"avif", b"mif1", b"avif"), "an AVIF image; convert"),
        (_ftyp(b"mif1", b"avif"), "an AVIF image"),
        (_ftyp(b"msf1", b"heic", b"avis"), "an AVIF image"),
        (_ftyp(b"mif1") + b"avif", "a HEIC image"),
        (_ftyp(b"isom", b"mp41"), "no JPEG, PNG or WebP image"),
        (encode(IMAGE, "TIFF"), "a TIFF image; convert"),
        (b"MM\0*\0\0\0\x08", "a TIFF image"),
        (encode(IMAGE, "BMP"), "a BMP image; convert"),
        (b"BMW and others", "no JPEG, PNG or WebP image"),
        (encode(IMAGE, "GIF"), "a GIF image; convert"),
        (b"\x1f\x8b\x08\0", "compressed with gzip; send the image itself"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "an SVG image"),
        (b"\n <svg>", "an SVG image"),
        (b"<!DOCTYPE html><html>", "HTML or XML"),
        (b"PK\3\4", "ZIP archive"),
        (b"iVBORw0KGgoAAAANSUhEUgAA", "base64; send the bytes"),
        (b"data:image/png;base64,iVBO", "base64; send the bytes"),
        (b'{"instances": []}', 'JSON; send {"instances": [{"b64": "<base64 of the image>"}]}'),
        (b'{"image": "iVBO"}', 'JSON; send {"instances": [{"b64": "<base64 of the image>"}]}'),
        (b"hello", "no JPEG, PNG or WebP image; convert"),
        (b"\xff\xd8", "no JPEG, PNG or WebP image"),
    ],
)
def test_an_unsupported_format_is_named_with_advice(data: bytes, words: str) -> None:
    error = refusal_of(data)
    assert (error.code, error.status) == ("unsupported_image", 415)
    assert words in error.message


@given(st.binary(max_size=2000))
def test_any_beginning_is_refused_without_a_failure(data: bytes) -> None:
    for start in (b"", b"<?xml ", b"<!--", b" " * 1500, b"ftyp"):
        assert refusal_of(start + data).status in (415, 422)


@pytest.mark.parametrize(
    "data",
    [
        encode(NOISE, "JPEG"),
        encode(NOISE, "JPEG", progressive=True),
        encode(NOISE, "PNG"),
        encode(NOISE, "WEBP"),
        encode(NOISE, "WEBP", lossless=True, exif=exif_of(6)),
    ],
    ids=["jpeg", "progressive", "png", "webp", "lossless"],
)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_told_so(data: bytes, share: float) -> None:
    error = refusal_of(data[: int(len(data) * share)])
    assert (error.code, error.status) == ("unreadable_image", 422)
    assert "cut off" in error.message
    assert "Send all of the file" in error.message


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_a_whole_file_that_is_damaged_is_not_called_cut_off(format_name: str) -> None:
    data = bytearray(encode(NOISE, format_name))
    if format_name != "JPEG":
        middle = slice(data.index(b"IDAT") + 4, -12) if format_name == "PNG" else slice(20, 30)
        data[middle] = bytes(len(data[middle]))
    else:
        # Without the tables that its pixels are quantized by.
        data = data[: data.index(b"\xff\xdb")] + data[data.index(b"\xff\xc0") :]
    message = refusal_of(bytes(data)).message
    assert "cut off" not in message
    assert "damaged" in message


@pytest.mark.parametrize("start", [b"\xff\xd8\xff", encode(NOISE, "JPEG")[:600]], ids=repr)
@pytest.mark.parametrize("filler", [b"\xff", b"\xff\0", b"\0"])
def test_a_jpeg_of_megabytes_without_pixels_is_refused_at_once(start: bytes, filler: bytes) -> None:
    data = start + filler * (4_000_000 // len(filler))
    # Pillow alone takes a second.
    error = check_cpu_time(lambda: refusal_of(data), max_seconds=0.1)
    assert (error.code, error.status) == ("unreadable_image", 422)
