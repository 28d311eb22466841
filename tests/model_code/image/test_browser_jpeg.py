"""JPEGs that every browser shows, and what must not decide how they look."""

from __future__ import annotations

import pytest

from classifier.errors import RequestError
from classifier.image.decoding import decode_image
from tests.model_code.image.image_files import (
    IMAGE,
    NOISE,
    XMP,
    encode,
    exif_of,
    is_same,
    segment_of,
    with_segment,
)


@pytest.mark.parametrize(
    "segment",
    [
        pytest.param(segment_of(0xEE, b"Adobe"), id="short Adobe"),
        pytest.param(segment_of(0xEE, b"Adobe\0\x64\0\0\0\0"), id="Adobe without its last byte"),
        pytest.param(segment_of(0xEE, b""), id="empty APP14"),
        pytest.param(segment_of(0xE0, b"JFIF"), id="short JFIF"),
        pytest.param(segment_of(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), id="XMP"),
        pytest.param(segment_of(0xE2, b"MPF\0MM\0*" + b"\xff" * 40), id="broken index of images"),
        pytest.param(segment_of(0xE2, b"ICC_PROFILE\0"), id="short colour profile"),
        pytest.param(segment_of(0xED, b"Photoshop 3.0\x008BIM\4\4"), id="short Photoshop"),
        pytest.param(segment_of(0xFE, b"\xff\xd9\xff\xda\xff\xc0"), id="markers in a comment"),
        pytest.param(segment_of(0xE1, b"Exif\0\0nonsense"), id="broken EXIF"),
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_an_application_segment_does_not_change_a_jpeg(
    segment: bytes, mode: str, progressive: bool
) -> None:
    plain = encode(IMAGE.convert(mode), "JPEG", quality=95, progressive=progressive)
    assert is_same(with_segment(plain, segment), plain)
    assert decode_image(plain).size == (16, 8)


def test_the_exif_orientation_counts_beside_another_in_xmp() -> None:
    data = encode(IMAGE, "JPEG", exif=exif_of(3), xmp=XMP)
    assert decode_image(data).size == (16, 8)
    left, right = (decode_image(data).getpixel((x, 4)) for x in (2, 13))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[2] > 200 > 60 > left[0]
    assert right[0] > 200 > 60 > right[2]


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_in_xmp_alone_does_not_count(format_name: str) -> None:
    assert decode_image(encode(IMAGE, format_name, xmp=XMP)).size == (16, 8)
    assert decode_image(encode(IMAGE, format_name, exif=exif_of(6))).size == (8, 16)


def test_an_adobe_segment_that_is_whole_still_says_what_the_colours_are() -> None:
    # RGB components, stored as they are: without the segment they would be taken for YCbCr.
    data = encode(IMAGE, "JPEG", quality=100, keep_rgb=True, subsampling=0)
    assert decode_image(data).getpixel((2, 2)) == pytest.approx((255, 0, 0), abs=4)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_shown_or_told_so(progressive: bool) -> None:
    outcomes = []
    # The end of a thumbnail is not that of the image.
    thumbnail = segment_of(0xE1, b"Exif\0\0" + encode(IMAGE, "JPEG"))
    for width in range(60, 120):
        data = encode(NOISE.resize((width, 90)), "JPEG", progressive=progressive)
        assert data.endswith(b"\xff\xd9")
        try:
            outcomes.append(is_same(with_segment(data, thumbnail)[:-2], data))
        except RequestError as error:
            outcomes.append("cut off" in error.message)
    assert all(outcomes)
