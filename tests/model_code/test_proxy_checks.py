"""The proxy's reading of headers beside Pillow's, and what it refuses beside what is decoded here.

Here, because Pillow is in this environment; of the proxy only the standard library is needed.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from classifier.errors import RequestError
from classifier.image import jpeg_segments, png_chunks, webp_canvas
from classifier.image.decoding import MAX_JPEG_SCANS, MAX_PIXELS, MAX_PNG_SIDE_PIXELS, decode_image
from classifier.image.formats import FORMATS
from classifier.image.jpeg_segments import MAX_EXTRANEOUS_BYTES
from classifier_proxy import errors
from classifier_proxy.image_checks import ImageSize, check_image

SIZES = [(1, 1), (24, 18), (300, 7), (3, 400)]


def _file(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def _gradient(mode: str = "RGB", size: tuple[int, int] = (24, 18)) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert(mode)


def _exif_with_thumbnail() -> bytes:
    """Orientation 6 in the first directory, a JPEG of 7 x 5 pixels in the second."""
    thumbnail = _file(_gradient(size=(7, 5)), "JPEG")
    first = struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 26)
    entries = (0x0201, 4, 1, 56), (0x0202, 4, 1, len(thumbnail))
    second = struct.pack(">H", 2) + b"".join(struct.pack(">HHII", *entry) for entry in entries)
    tiff = b"MM\0*" + struct.pack(">I", 8) + first + second + struct.pack(">I", 0)
    return b"Exif\0\0" + tiff + thumbnail


EXIF = _exif_with_thumbnail()
ANIMATION = {"save_all": True, "append_images": [_gradient().rotate(9)]}
FRAME_IN_A_COMMENT = b"\xff\xc0\0\x0b\x08\0\x09\0\x09\x01\x01\x11\0"
# Fill bytes, metadata that the container removes, and what would be a marker next to the former.
HIDDEN_MARKERS = st.builds(
    lambda fill, kind, content, rest: (
        b"\xff" * fill + struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content + rest
    ),
    st.integers(0, 3),
    st.sampled_from([0xE0, 0xE1, 0xE2, 0xEE, 0xFE]),
    st.binary(max_size=3),
    st.sampled_from([b"", b"\xda", b"\xc2", b"\xd9", FRAME_IN_A_COMMENT[1:]]),
)
IMAGES = {
    "jpeg": _file(_gradient(), "JPEG"),
    "progressive": _file(_gradient(), "JPEG", progressive=True),
    "cmyk": _file(_gradient("CMYK"), "JPEG"),
    "thumbnail": _file(_gradient("L"), "JPEG", exif=EXIF),
    "comment": _file(_gradient(), "JPEG", comment=FRAME_IN_A_COMMENT),
    "profile": _file(_gradient(), "JPEG", icc_profile=bytes(70_000)),
    "two images": _file(_gradient(), "MPO", save_all=True, append_images=[_gradient(size=(9, 9))]),
    "png": _file(_gradient(), "PNG"),
    "palette": _file(_gradient("P"), "PNG", transparency=3),
    "one bit": _file(_gradient("1"), "PNG"),
    "16 bit": _file(_gradient("I;16"), "PNG"),
    "png with exif": _file(_gradient("RGBA"), "PNG", exif=EXIF),
    "animated png": _file(_gradient(), "PNG", **ANIMATION),
    "webp": _file(_gradient(), "WEBP"),
    "webp with alpha": _file(_gradient("RGBA"), "WEBP"),
    "lossless": _file(_gradient("RGBA"), "WEBP", lossless=True),
    "webp with exif": _file(_gradient(), "WEBP", exif=EXIF),
    "animated webp": _file(_gradient(), "WEBP", **ANIMATION),
}
MODES: dict[str, tuple[list[str], list[dict[str, object]]]] = {
    "JPEG": (["L", "RGB", "CMYK"], [{}, {"progressive": True}, {"exif": EXIF}]),
    "PNG": (["1", "L", "LA", "P", "RGB", "RGBA", "I;16"], [{}, {"exif": EXIF}]),
    "WEBP": (["L", "RGB", "RGBA"], [{}, {"lossless": True}, {"exif": EXIF}]),
}


def _size_by_pillow(data: bytes) -> tuple[int, int] | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            return Image.open(io.BytesIO(data), formats=FORMATS).size
    except Exception:  # of many kinds: see `decoding`
        return None


def _size_by_proxy(data: bytes) -> ImageSize | errors.RequestError | None:
    try:
        return check_image(data).size
    except errors.RequestError as refusal:
        return refusal


def _assert_alike(data: bytes) -> bool:
    """Compare the two, and tell whether Pillow opened the image."""
    told = _size_by_proxy(data)
    _assert_size(_size_by_pillow(_without_metadata(data)), told, data)
    expected = _size_by_pillow(data)
    _assert_size(expected, told, data)
    decoded = _size_by_pillow(_essence(data))
    if decoded is not None:
        # What the container admits a request by.
        assert _size_by_container(data) == decoded
    return expected is not None


def _essence(data: bytes) -> bytes:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return png_chunks.without_metadata(data)[0]
    return _without_metadata(data)


def _size_by_container(data: bytes) -> tuple[int, int] | None:
    if data.startswith(b"\xff\xd8\xff"):
        frame = jpeg_segments.read_frame(data, max_segments=1000)
        return frame and (frame.width, frame.height)
    if data.startswith(b"RIFF"):
        return webp_canvas.read_size(data)
    return png_chunks.read_size(data, max_chunks=1000)


def _without_metadata(data: bytes) -> bytes:
    """Return what the container has Pillow decode."""
    if data.startswith(b"\xff\xd8\xff"):
        return jpeg_segments.read_jpeg(data).essence
    return data


def _assert_size(
    expected: tuple[int, int] | None,
    told: ImageSize | errors.RequestError | None,
    data: bytes,
) -> None:
    if expected is None:
        return
    if isinstance(told, errors.UnreadableImageError) and re.search(
        "no pixels|no segment", told.message
    ):
        # Pillow opens a header alone, and one with much junk; the container decodes neither.
        with pytest.raises(RequestError):
            decode_image(data)
        return
    longest = MAX_PNG_SIDE_PIXELS if data.startswith(b"\x89PNG") else MAX_PIXELS
    if expected[0] * expected[1] > MAX_PIXELS or max(expected) > longest:
        assert isinstance(told, errors.ImageTooLargeError)
    elif data.count(b"\xff\xda") <= MAX_JPEG_SCANS:
        assert told == expected


@pytest.mark.parametrize("format_name", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_every_image_is_read(format_name: str, size: tuple[int, int]) -> None:
    modes, options = MODES[format_name]
    for mode, some in product(modes, options):
        assert check_image(_file(_gradient(mode, size), format_name, **some)).size == size


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_cut_at_any_byte_is_never_read_otherwise_than_by_pillow(name: str) -> None:
    data = IMAGES[name]
    opened = [_assert_alike(data[:length]) for length in range(1, min(len(data), 4000))]
    assert check_image(data).size == (24, 18)
    assert not all(opened)


@given(
    name=st.sampled_from(sorted(IMAGES)),
    cuts=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 60), st.integers(0, 2000)),
            st.integers(0, 12),
            st.one_of(
                st.binary(max_size=12),
                st.sampled_from([b"\xff", b"\xff\0", b"\xff\xff", b"\xff\xd9", b"\xff\xfe\0\1"]),
                st.sampled_from([b"\xff\xc2", b"\xff\xc8", b"\xff\xda", b"\xff\xde", b"\xff\x01"]),
                st.just(FRAME_IN_A_COMMENT),
                HIDDEN_MARKERS,
            ),
        ),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=2000, deadline=None, derandomize=True, database=None)
def test_a_mutation_is_never_read_otherwise_than_by_pillow(
    name: str, cuts: list[tuple[int, int, bytes]]
) -> None:
    data = IMAGES[name]
    for start, length, replacement in cuts:
        data = data[:start] + replacement + data[start + length :]
    _assert_alike(data)


@given(
    name=st.sampled_from(["jpeg", "progressive", "cmyk", "comment"]),
    places=st.lists(st.tuples(st.integers(0, 8), HIDDEN_MARKERS), min_size=1, max_size=3),
    drops_frame=st.booleans(),
)
@settings(max_examples=500, deadline=None, derandomize=True, database=None)
def test_metadata_between_any_segments_is_never_read_otherwise_than_by_pillow(
    name: str, places: list[tuple[int, bytes]], drops_frame: bool
) -> None:
    segments = _segments(IMAGES[name])
    for place, hidden in places:
        segments.insert(min(place + 1, len(segments) - 1), hidden)
    if drops_frame:
        segments = [segment for segment in segments if segment[:2] not in FRAMES]
    _assert_alike(b"".join(segments))


FRAMES = (b"\xff\xc0", b"\xff\xc2")


def _segments(jpeg: bytes) -> list[bytes]:
    """Split into the first marker, each segment of the header, and the rest from the first scan."""
    segments, position = [jpeg[:2]], 2
    while jpeg[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        segments.append(jpeg[position:end])
        position = end
    return [*segments, jpeg[position:]]


@pytest.mark.parametrize("fill", [1, 2, 5])
@pytest.mark.parametrize("removed", [1, 3])
def test_a_frame_hidden_behind_fill_bytes_and_metadata_counts_for_neither(
    fill: int, removed: int
) -> None:
    data = IMAGES["jpeg"]
    start = data.index(b"\xff\xc0")
    frame = data[start : start + 19]
    smaller = frame[:5] + b"\0\x09\0\x09" + frame[9:]
    hidden = b"\xff" * fill + b"\xff\xe1\0\2" * removed + smaller[1:]
    for image in (
        data[:start] + hidden + data[start:],
        data[: start + 19] + hidden + data[start + 19 :],
    ):
        assert _assert_alike(image)
        assert check_image(image).size == decode_image(image).size == (24, 18)
    instead = data[:start] + hidden + data[start + 19 :]
    assert isinstance(_size_by_proxy(instead), errors.UnreadableImageError)
    with pytest.raises(RequestError, match="damaged"):
        decode_image(instead)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


CHUNKS = [
    _chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 18, 8, 2, 0, 0, 0)),
    _chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0)),
    _chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 5, 0, 0, 0)),
    _chunk(b"IDAT", zlib.compress(bytes(18 * 73))),
    _chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 24, 18, 0, 0, 1, 9, 0, 0)),
    _chunk(b"fdAT", struct.pack(">I", 1) + zlib.compress(bytes(18 * 73))),
    _chunk(b"tEXt", b"IHDR\0IDAT"),
    _chunk(b"IEND", b""),
]


def test_the_chunks_of_a_png_may_come_in_any_order() -> None:
    opened = 0
    for chunks in product(CHUNKS, repeat=4):
        data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
        told = _size_by_proxy(data)
        if told is None:
            continue
        opened += _assert_alike(data)
    assert opened > 100


def test_the_same_is_refused_in_the_same_words_for_programs() -> None:
    scan = IMAGES["progressive"].rindex(b"\xff\xda")
    many_scans = IMAGES["progressive"][:scan] + IMAGES["progressive"][scan:-2] * 130
    for data in (_file(Image.new("1", (5001, 5000)), "PNG"), many_scans):
        with pytest.raises(RequestError) as by_container:
            decode_image(data)
        with pytest.raises(errors.RequestError) as by_proxy:
            check_image(data)
        expected = (by_container.value.status, by_container.value.code)
        assert (by_proxy.value.status, by_proxy.value.code) == expected


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("width", [5000, 5001, 10_000, 10_001])
def test_a_jpeg_of_many_pixels_is_refused_by_both_or_by_neither(
    progressive: bool, width: int
) -> None:
    data = bytearray(IMAGES["progressive" if progressive else "jpeg"])
    frame = data.index(FRAMES[progressive])
    data[frame + 5 : frame + 9] = struct.pack(">HH", 5000, width)
    told = _size_by_proxy(bytes(data))
    if width <= (5000 if progressive else 10_000):
        assert told == (width, 5000)
        assert decode_image(bytes(data)).width in {width, width // 2, width // 2 + 1}
        return
    with pytest.raises(RequestError) as refused:
        decode_image(bytes(data))
    assert refused.value.code == "image_too_large"
    assert isinstance(told, errors.ImageTooLargeError)
    assert told.message.startswith(refused.value.message)


@pytest.mark.parametrize("filler", [b"\xff", b"\0"])
@pytest.mark.parametrize("name", ["jpeg", "comment"])
def test_a_jpeg_with_junk_between_its_segments_is_refused_by_both_or_by_neither(
    name: str, filler: bytes
) -> None:
    # Junk at once after the first marker is no JPEG.
    first, second, *others, last = _segments(IMAGES[name])
    # In two places: all of it counts, also next to metadata that is removed.
    junk, rest = filler * 40_000, filler * (MAX_EXTRANEOUS_BYTES - 40_000)
    accepted = b"".join([first, second, junk, *others, rest, last])
    assert check_image(accepted).size == decode_image(accepted).size == (24, 18)
    refused = b"".join([first, second, junk, *others, rest + filler, last])
    assert isinstance(_size_by_proxy(refused), errors.UnreadableImageError)
    with pytest.raises(RequestError, match="damaged"):
        decode_image(refused)


def test_as_many_pixels_as_are_decoded_are_let_through() -> None:
    data = _file(Image.new("1", (5000, 5000)), "PNG")
    assert check_image(data).size == decode_image(data).size == (5000, 5000)
