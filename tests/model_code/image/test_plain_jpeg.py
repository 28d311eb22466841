"""JPEGs that need nothing but decoding become the pixels that Pillow makes, and no others do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.errors import RequestError
from classifier.image import plain_jpeg, preprocessing
from classifier.image.decoding import decode_image
from classifier.image.plain_jpeg import decode_plain_jpeg
from classifier.image.preprocessing import ByteArray, crop_image, decode_crop
from classifier.image.resample import Resampler
from tests.model_code.image.image_files import encode, exif_of

PHOTO = (Path(__file__).parents[3] / "samples" / "cat.jpg").read_bytes()
PREPROCESSING = Preprocessing(
    resize=24, crop=16, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
)


@pytest.fixture(autouse=True, scope="module")
def _with_resampler(resampler: Resampler) -> Iterator[None]:
    # Without it every image is decoded by Pillow.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preprocessing, "_resampler", resampler)
        yield


def _photo(width: int, height: int, mode: str = "RGB", **options: Any) -> bytes:
    image = decode_image(PHOTO).resize((width, height)).convert(mode)
    return encode(image, "JPEG", **options)


def _expect_pillows_pixels(data: bytes) -> None:
    pixels = decode_plain_jpeg(data)
    assert pixels is not None
    assert numpy.array_equal(pixels[..., :3], numpy.asarray(decode_image(data)))


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    subsampling=st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    quality=st.integers(1, 100),
    mode=st.sampled_from(["RGB", "L"]),
    is_rgb=st.booleans(),
    restarts=st.integers(0, 3),
    orientation=st.sampled_from([None, 1, 9]),
)
def test_a_plain_jpeg_has_pillows_pixels(
    size: tuple[int, int],
    subsampling: str,
    quality: int,
    mode: str,
    *,
    is_rgb: bool,
    restarts: int,
    orientation: int | None,
) -> None:
    options: dict[str, Any] = {"subsampling": "4:4:4" if is_rgb else subsampling}
    if orientation is not None:
        options["exif"] = exif_of(orientation)
    data = _photo(
        *size, mode, quality=quality, keep_rgb=is_rgb, restart_marker_rows=restarts, comment="a",
        **options,
    )  # fmt: skip
    _expect_pillows_pixels(data)


def test_a_photo_has_pillows_pixels() -> None:
    _expect_pillows_pixels(PHOTO)


@pytest.mark.parametrize(
    "data",
    [
        _photo(60, 40, progressive=True),
        _photo(60, 40, "CMYK"),
        _photo(60, 40, exif=exif_of(6)),
        _photo(60, 40, exif=exif_of(1) + b"\xff\xda"),  # as of the scan of a thumbnail
        _photo(60, 40)[:-2],
        _photo(60, 40)[:-200],
        _photo(60, 40).replace(b"\xff\xda", b"\0\xff\xda"),
        _photo(60, 40)[:20],
        b"\xff\xd8\xff",
        encode(decode_image(PHOTO).resize((60, 40)), "PNG"),
        b"",
    ],
    ids=[
        "progressive", "CMYK", "turned", "thumbnail", "no end", "cut off", "junk", "header", "3",
        "PNG", "0",
    ],
)  # fmt: skip
def test_any_other_file_is_left_to_pillow(data: bytes) -> None:
    assert decode_plain_jpeg(data) is None
    _expect_the_same_outcome(data)


def test_an_image_that_would_take_long_twice_is_left_to_pillow() -> None:
    assert decode_plain_jpeg(encode(Image.new("L", (5000, 2500)), "JPEG")) is not None
    assert decode_plain_jpeg(encode(Image.new("L", (5000, 2501)), "JPEG")) is None


@pytest.mark.parametrize("reduce_to", [9, 10, 11, 20, 21, 40])
def test_an_image_that_the_decoder_reduces_is_left_to_pillow(reduce_to: int) -> None:
    data = _photo(120, 40)
    is_reduced = decode_image(data, reduce_to=reduce_to).size != (120, 40)
    assert (decode_plain_jpeg(data, reduce_to=reduce_to) is None) == is_reduced
    _expect_the_same_outcome(data, reduce_to)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    options=st.sampled_from([{}, {"progressive": True}, {"exif": exif_of(3)}, {"comment": "x"}]),
    cuts=st.lists(
        st.tuples(st.integers(0, 1500), st.integers(0, 9), st.binary(max_size=9)), max_size=3
    ),
)
def test_a_damaged_jpeg_has_pillows_outcome(
    options: dict[str, Any], cuts: list[tuple[int, int, bytes]]
) -> None:
    data = _photo(50, 30, **options)
    for start, length, replacement in cuts:
        data = data[:start] + replacement + data[start + length :]
    _expect_the_same_outcome(data)


def test_without_the_package_pillow_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = decode_crop(PHOTO, PREPROCESSING)
    monkeypatch.setattr(plain_jpeg, "simplejpeg", None)
    assert decode_plain_jpeg(PHOTO) is None
    assert numpy.array_equal(decode_crop(PHOTO, PREPROCESSING), expected)


def _expect_the_same_outcome(data: bytes, reduce_to: int | None = None) -> None:
    expected = _outcome(lambda: crop_image(decode_image(data, reduce_to=reduce_to), PREPROCESSING))
    found = _outcome(lambda: decode_crop(data, PREPROCESSING, reduce_to=reduce_to))
    # Pillow's own reading of the header refuses some files that have no fault for the decoder.
    if found != expected:
        assert isinstance(expected, tuple)
        assert decode_plain_jpeg(data, reduce_to=reduce_to) is not None


def _outcome(decode: Callable[[], ByteArray]) -> bytes | tuple[str, str]:
    try:
        return decode().tobytes()
    except RequestError as error:
        return error.code, error.message
