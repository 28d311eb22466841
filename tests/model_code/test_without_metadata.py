"""A file without its metadata: the same pixels, in time that follows its length."""

from __future__ import annotations

import io
import time

import numpy
import numpy.typing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from classifier.jpeg_segments import without_metadata as jpeg_without_metadata
from classifier.png_chunks import without_metadata as png_without_metadata

from .image_files import (
    LARGEST_BODY_BYTES,
    NOISE,
    PICTURE,
    SIGNATURE,
    XMP,
    chunk_of,
    encode,
    exif_of,
    rgb_png,
)

FILES = [
    encode(NOISE.resize((12, 9)), "JPEG", exif=exif_of(6), xmp=XMP, comment=b"text"),
    encode(PICTURE.convert("CMYK"), "JPEG", progressive=True, icc_profile=bytes(300)),
    encode(PICTURE, "JPEG", exif=exif_of(1)),
    encode(PICTURE, "PNG", exif=exif_of(6)),
    encode(PICTURE.convert("P"), "PNG", transparency=1),
    encode(PICTURE.convert("LA"), "PNG"),
    rgb_png(chunk_of(b"tEXt", b"a\0b"), chunk_of(b"tRNS", b"\0\xff\0\0\0\0")),
]


def _pixels_by_pillow(data: bytes) -> numpy.typing.NDArray[numpy.uint8] | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
            return numpy.asarray(picture.convert("RGBA"))
    except Exception:  # of many kinds: see `decoding`
        return None


@given(
    data=st.sampled_from(FILES),
    cuts=st.lists(
        st.tuples(st.integers(0, 700), st.integers(0, 9), st.binary(max_size=9)), max_size=3
    ),
)
@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
def test_what_pillow_decodes_is_decoded_to_the_same_without_metadata(
    data: bytes, cuts: list[tuple[int, int, bytes]]
) -> None:
    for start, length, replacement in cuts:
        data = data[:start] + replacement + data[start + length :]
    expected = _pixels_by_pillow(data)
    if expected is None:
        return
    is_jpeg = data.startswith(b"\xff\xd8")
    essence, _ = (jpeg_without_metadata if is_jpeg else png_without_metadata)(data)
    found = _pixels_by_pillow(essence)
    assert found is not None
    # A checksum of tRNS that is wrong is where libpng and Pillow differ: the colours stay.
    assert (found[..., :3] == expected[..., :3]).all()


@pytest.mark.parametrize(
    "data",
    [
        (SIGNATURE + filler * (LARGEST_BODY_BYTES // len(filler)))
        for filler in (
            chunk_of(b"tEXt"),
            chunk_of(b"IDAT"),
            chunk_of(b"eXIf"),
            chunk_of(b"tRNS"),
            chunk_of(b"IHDR", bytes(13)),
            bytes(12),
        )
    ]
    + [
        (b"\xff\xd8" + filler * (LARGEST_BODY_BYTES // len(filler)))
        for filler in (
            b"\xff",
            b"\xff\0",
            b"\xff\xd0",
            b"\xff\xfe\0\2",
            b"\xff\xe1\0\x08Exif\0\0",
            b"\xff\xdb\0\2",
            b"\0",
        )
    ],
    ids=lambda data: repr(data[-16:]),
)
def test_no_file_takes_long_to_look_through(data: bytes) -> None:
    without = png_without_metadata if data.startswith(SIGNATURE) else jpeg_without_metadata
    started = time.process_time()
    essence, _ = without(data)
    assert time.process_time() - started < 0.5
    assert len(essence) <= len(data) + 12
