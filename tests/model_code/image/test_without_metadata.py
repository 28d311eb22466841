"""A file without its metadata: the same pixels, in time that follows its length."""

from __future__ import annotations

import io
import re

import numpy
import numpy.typing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from classifier.image.jpeg_segments import has_more_scans, read_jpeg
from classifier.image.png_chunks import without_metadata as png_without_metadata
from tests.cpu_time import check_cpu_time
from tests.model_code.image.image_files import (
    IMAGE,
    MAX_BODY_BYTES,
    NOISE,
    SIGNATURE,
    XMP,
    chunk_of,
    encode,
    exif_of,
    rgb_png,
)

FILES = [
    encode(NOISE.resize((12, 9)), "JPEG", exif=exif_of(6), xmp=XMP, comment=b"text"),
    encode(IMAGE.convert("CMYK"), "JPEG", progressive=True, icc_profile=bytes(300)),
    encode(IMAGE, "JPEG", exif=exif_of(1)),
    encode(IMAGE, "PNG", exif=exif_of(6)),
    encode(IMAGE.convert("P"), "PNG", transparency=1),
    encode(IMAGE.convert("LA"), "PNG"),
    rgb_png(chunk_of(b"tEXt", b"a\0b"), chunk_of(b"tRNS", b"\0\xff\0\0\0\0")),
]


def _pixels_by_pillow(data: bytes) -> numpy.typing.NDArray[numpy.uint8] | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return numpy.asarray(image.convert("RGBA"))
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
    essence = read_jpeg(data).essence if is_jpeg else png_without_metadata(data)[0]
    found = _pixels_by_pillow(essence)
    assert found is not None
    # A checksum of tRNS that is wrong is where libpng and Pillow differ: the colours stay.
    assert (found[..., :3] == expected[..., :3]).all()


def _segment(kind: int, content: bytes) -> bytes:
    return b"\xff" + bytes([kind]) + (len(content) + 2).to_bytes(2, "big") + content


FRAME = bytes([0, 11, 8, 0, 9, 0, 9, 1, 1, 0x11, 0])
REMOVED = st.builds(
    _segment, st.sampled_from([0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE]), st.binary(max_size=3)
)
JPEG_LIKE = st.lists(
    st.one_of(
        REMOVED,
        st.builds(_segment, st.sampled_from([0xC0, 0xDB]), st.sampled_from([b"\xff", FRAME[2:]])),
        st.sampled_from([b"\xff", b"\xff\xff", b"\0", b"\xda", b"\xc0" + FRAME, b"\xd9", b"\xe1"]),
        st.binary(max_size=3),
    ),
    max_size=12,
).map(lambda parts: b"\xff\xd8" + b"".join(parts))
HIDDEN = [
    b"\xff\xd8" + before + _segment(0xE1, b"") * removed + after
    for before in (b"", b"\xff", b"\xff\xff", b"\0\xff", _segment(0xDB, b"\xff"))
    for removed in (1, 3)
    for after in (b"\xda\0\2", b"\xc0" + FRAME, b"\xff\xda", b"\xff", b"\0", b"")
]


def _markers_with_content(data: bytes) -> list[bytes]:
    """Find the segments as libjpeg does, up to the first scan, without those of metadata."""
    found, position = [], 2
    while marker := re.search(rb"\xff+([^\xff\0])", data[position:]):
        position += marker.end()
        kind = marker[1][0]
        if kind < 0xC0 or kind in {0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}:
            continue
        length = max(2, int.from_bytes(data[position : position + 2], "big"))
        if kind != 0xFE and not 0xE0 <= kind <= 0xEF:
            found.append(marker[1] + data[position : position + length])
        if kind == 0xDA:
            break
        position += length
    return found


def _assert_nothing_new(data: bytes) -> None:
    essence = read_jpeg(data).essence
    assert len(essence) <= len(data)
    assert essence.startswith(b"\xff\xd8")
    assert _markers_with_content(essence) == _markers_with_content(data)
    for marker in (b"\xff\xda", b"\xff\xc0", b"\xff\xd9"):
        assert essence.count(marker) <= data.count(marker)


@given(data=JPEG_LIKE)
@settings(max_examples=2000, deadline=None, derandomize=True, database=None)
def test_what_is_before_and_after_removed_metadata_never_makes_a_marker(data: bytes) -> None:
    _assert_nothing_new(data)


@pytest.mark.parametrize("data", HIDDEN, ids=repr)
def test_fill_bytes_before_removed_metadata_make_no_marker(data: bytes) -> None:
    _assert_nothing_new(data)


def test_scans_cannot_be_hidden_behind_metadata() -> None:
    image = encode(IMAGE.resize((64, 64)), "JPEG", progressive=True)
    scan = image.index(b"\xff\xda")
    hidden = b"\xff" + _segment(0xE1, b"") + b"\xda\0\x08\x01\x01\0\0\0\x01"
    first = image[scan + 1 : scan + 2 + int.from_bytes(image[scan + 2 : scan + 4], "big")]
    data = image[:scan] + b"\xff" + _segment(0xE1, b"") + first + hidden * 1000 + image[scan:]
    essence = read_jpeg(data).essence
    assert not has_more_scans(essence, image.count(b"\xff\xda"))
    assert has_more_scans(image + b"\xff\xda", image.count(b"\xff\xda"))


@pytest.mark.parametrize(
    "data",
    [
        (SIGNATURE + filler * (MAX_BODY_BYTES // len(filler)))
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
        (b"\xff\xd8" + filler * (MAX_BODY_BYTES // len(filler)))
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
    read = png_without_metadata if data.startswith(SIGNATURE) else read_jpeg
    essence, *_ = check_cpu_time(lambda: read(data), max_seconds=0.5)
    assert len(essence) <= len(data) + 12
