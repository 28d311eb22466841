from __future__ import annotations

import io
import struct
import zlib

import numpy
import pytest
from PIL import Image

from classifier.errors import RequestError
from classifier.image import decoding
from classifier.image.decoding import decode_image

UPRIGHT = Image.new("RGB", (8, 4), "blue")
UPRIGHT.paste("red", (0, 0, 4, 2))


def _file(image: Image.Image, format_name: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def _difference(image: Image.Image, other: Image.Image) -> int:
    assert (image.mode, image.size) == (other.mode, other.size)
    first, second = (numpy.asarray(p).astype(int) for p in (image, other))
    return int(abs(first - second).max())


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_each_format_is_decoded_to_rgb(format_name: str) -> None:
    image = Image.new("RGB", (64, 48), (10, 200, 30))
    data = _file(image, format_name, quality=100)
    assert _difference(decode_image(data), image) <= 4


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_the_exif_orientation_is_applied(orientation: int, undo: Image.Transpose | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    as_stored = UPRIGHT if undo is None else UPRIGHT.transpose(undo)
    assert _difference(decode_image(_file(as_stored, exif=exif.tobytes())), UPRIGHT) == 0


def test_an_image_with_broken_metadata_is_taken_as_it_lies() -> None:
    data = _file(UPRIGHT, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert _difference(decode_image(data), UPRIGHT) == 0


def test_transparency_is_laid_on_white() -> None:
    layer = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    layer.putpixel((1, 0), (255, 0, 0, 128))
    decoded = decode_image(_file(layer))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (255, 127, 127)]


def _photo_jpeg(width: int, height: int, **options: object) -> bytes:
    """Soft shapes with grain, as a photo has."""
    generator = numpy.random.default_rng(width)
    noise = generator.integers(0, 256, (9, 9, 3), dtype=numpy.uint8)
    soft = numpy.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))
    pixels = (soft + generator.normal(0, 12, soft.shape)).clip(0, 255).astype(numpy.uint8)
    return _file(Image.fromarray(pixels), "JPEG", quality=90, **options)


@pytest.mark.parametrize(
    ("size", "reduced"),
    [
        ((1920, 1080), (960, 540)),
        ((1080, 1920), (540, 960)),
        ((1023, 700), (1023, 700)),
        ((1024, 512), (1024, 512)),
        ((1025, 1024), (513, 512)),
        ((2500, 2050), (625, 513)),
    ],
)
def test_a_jpeg_is_reduced_to_no_less_than_twice_the_size_that_is_needed(
    size: tuple[int, int], reduced: tuple[int, int]
) -> None:
    data = _photo_jpeg(*size)
    assert decode_image(data).size == size
    assert decode_image(data, reduce_to=256).size == reduced
    assert decode_image(_photo_jpeg(*size, progressive=True), reduce_to=256).size == reduced


def test_a_reduced_jpeg_is_upright_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = UPRIGHT.resize((640, 320)).transpose(Image.Transpose.ROTATE_90)
    data = _file(stored, "JPEG", exif=exif.tobytes(), quality=95, subsampling=0)
    decoded = decode_image(data, reduce_to=80)
    assert decoded.size == (320, 160)
    pixels = numpy.asarray(decoded)
    assert pixels[20, 20, 0] > 200
    assert pixels[20, 300, 2] > 200


@pytest.mark.parametrize("format_name", ["PNG", "WEBP"])
def test_what_is_no_jpeg_is_decoded_in_full_where_a_smaller_one_would_do(format_name: str) -> None:
    data = _file(Image.effect_noise((400, 300), 50).convert("RGB"), format_name)
    assert _difference(decode_image(data, reduce_to=10), decode_image(data)) == 0


def test_a_palette_with_a_transparent_colour_is_laid_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 255, 9, 9, 9])
    image.putpixel((1, 0), 1)
    decoded = decode_image(_file(image, transparency=1))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 255), (255, 255, 255)]


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    values = numpy.array([[0, 0x1234, 0x80FF, 0xFFFF]], dtype=numpy.uint16)
    decoded = decode_image(_file(Image.fromarray(values)))
    assert [decoded.getpixel((x, 0)) for x in range(4)] == [
        (value, value, value) for value in (0, 0x12, 0x80, 0xFF)
    ]


def test_one_bit_grey_and_cmyk_become_rgb() -> None:
    one_bit = decode_image(_file(Image.new("1", (3, 3), 1)))
    assert one_bit.getpixel((1, 1)) == (255, 255, 255)
    grey = decode_image(_file(Image.new("L", (16, 16), 77), "JPEG"))
    assert grey.getpixel((8, 8)) == (77, 77, 77)
    cmyk = decode_image(_file(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    assert _difference(cmyk, Image.new("RGB", (16, 16), "red")) <= 3


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = _file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert _difference(decode_image(data), frames[0]) == 0


def _png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    data = b"\0\0\1\0IDAT" + b"x" * 256
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum + data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_file(UPRIGHT, "JPEG")[:400], id="truncated jpeg"),
        pytest.param(_file(UPRIGHT)[:60], id="truncated png"),
        pytest.param(_file(UPRIGHT, "WEBP")[:40], id="truncated webp"),
        pytest.param(_png_header(0, 5), id="no width"),
        pytest.param(_png_header(5, 5), id="header alone"),
        pytest.param(_file(UPRIGHT)[:50] + b"\xff" * 30, id="damaged"),
    ],
)
def test_what_is_no_whole_image_is_unreadable(data: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        decode_image(data)
    assert (caught.value.code, caught.value.status) == ("unreadable_image", 422)


@pytest.mark.parametrize(("width", "height"), [(5001, 5000), (65_535, 65_535), (2**31 - 1, 1)])
def test_too_many_pixels_are_refused_by_the_header_alone(width: int, height: int) -> None:
    with pytest.raises(RequestError) as caught:
        decode_image(_png_header(width, height))
    assert (caught.value.code, caught.value.status) == ("image_too_large", 413)


@pytest.mark.parametrize(("width", "height"), [(25_000_000, 1), (1, 65_536)])
def test_a_longer_side_of_a_png_than_any_jpeg_has_is_refused(width: int, height: int) -> None:
    with pytest.raises(RequestError, match="at most 65535 on a side") as caught:
        decode_image(_png_header(width, height))
    assert (caught.value.code, caught.value.status) == ("image_too_large", 413)


def test_the_longest_side_is_decoded() -> None:
    assert decode_image(_file(Image.new("L", (65_535, 2)), "PNG")).size == (65_535, 2)


def _jpeg_header(width: int, height: int, *, progressive: bool) -> bytes:
    data = bytearray(_file(Image.new("RGB", (64, 64)), "JPEG", progressive=progressive))
    start_of_frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[start_of_frame + 5 : start_of_frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    ("width", "progressive", "message"),
    [
        (10_001, False, "10001 x 5000 pixels; at most 50 megapixels are accepted"),
        (
            5001,
            True,
            "at most 25 megapixels of a progressive JPEG \\(50 of another\\) are accepted",
        ),
    ],
)
@pytest.mark.parametrize("reduce_to", [None, 32])
def test_a_jpeg_of_too_many_pixels_is_refused_though_it_could_be_reduced(
    width: int, progressive: bool, message: str, reduce_to: int | None
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        decode_image(_jpeg_header(width, 5000, progressive=progressive), reduce_to=reduce_to)
    assert caught.value.code == "image_too_large"


@pytest.fixture(scope="module")
def phone_image() -> Image.Image:
    """A gradient of 50 megapixels, as phones make them."""
    return Image.radial_gradient("L").resize((8160, 6120)).convert("RGB")


def test_a_baseline_jpeg_of_50_megapixels_is_decoded_at_half_its_size(
    phone_image: Image.Image,
) -> None:
    data = _file(phone_image, "JPEG", quality=90)
    decoded = decode_image(data)
    assert decoded.size == (4080, 3060)
    expected = numpy.asarray(phone_image.reduce(68), dtype=int)
    assert abs(numpy.asarray(decoded.reduce(34), dtype=int) - expected).max() <= 2
    # Never less than twice what is needed.
    assert decode_image(data, reduce_to=256).size == (1020, 765)


def test_a_long_jpeg_of_many_pixels_is_reduced_even_where_its_shorter_side_is_small() -> None:
    data = _file(Image.new("RGB", (65_000, 700)), "JPEG")
    assert decode_image(data, reduce_to=512).size == (32_500, 350)


def test_a_jpeg_of_up_to_25_megapixels_is_decoded_completely() -> None:
    data = _file(Image.new("L", (5000, 5000)), "JPEG")
    assert decode_image(data).size == (5000, 5000)


def test_as_many_pixels_as_are_allowed_are_read() -> None:
    side = int(decoding.MAX_PIXELS**0.5)
    assert decode_image(_file(Image.new("1", (side, side)))).size == (side, side)


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded() -> None:
    data = _file(Image.effect_noise((32, 32), 50), "JPEG", progressive=True)
    assert decode_image(data).size == (32, 32)
    start = data.rindex(b"\xff\xda")
    bomb = data[:start] + data[start:-2] * 130 + data[-2:]
    with pytest.raises(RequestError, match="128 scans") as caught:
        decode_image(bomb)
    assert caught.value.status == 422
