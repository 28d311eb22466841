"""What the proxy tells of an image by its header; tests/model_code holds it beside Pillow."""

import ast
import contextlib
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier_proxy.errors import ImageTooLargeError, RequestError, UnreadableImageError
from classifier_proxy.image_checks import (
    MAX_BASELINE_JPEG_PIXELS,
    MAX_HEADER_PARTS,
    MAX_IMAGE_BYTES,
    MAX_JPEG_EXTRANEOUS_BYTES,
    MAX_JPEG_SCANS,
    MAX_PIXELS,
    MAX_PNG_SIDE_PIXELS,
    CheckedImage,
    check_image,
)
from tests.cpu_time import check_cpu_time
from tests.lambda_src.images import (
    extended_webp,
    jpeg,
    jpeg_frame,
    jpeg_segment,
    lossless_webp,
    lossy_webp,
    png,
    png_chunk,
    png_header,
)

DECODING = Path(__file__).parents[2] / "model_code" / "classifier" / "image" / "decoding.py"
JPEG_SEGMENTS = DECODING.with_name("jpeg_segments.py")
MEDIA_TYPES = {
    jpeg: "image/jpeg",
    png: "image/png",
    lossy_webp: "image/webp",
    lossless_webp: "image/webp",
    extended_webp: "image/webp",
}
EVERY_FORMAT = pytest.mark.parametrize("make", MEDIA_TYPES)
SIZE = (640, 480)
IMAGES = [make(*SIZE) for make in MEDIA_TYPES]
THUMBNAIL = b"Exif\0\0" + jpeg(160, 120)


def test_the_limits_are_those_of_the_container() -> None:
    constants = {
        statement.target.id: ast.literal_eval(statement.value)
        for module in (DECODING, JPEG_SEGMENTS)
        for statement in ast.parse(module.read_text()).body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(statement.value, ast.Constant)
    }

    assert constants["MAX_PIXELS"] == MAX_PIXELS
    assert constants["MAX_BASELINE_JPEG_PIXELS"] == MAX_BASELINE_JPEG_PIXELS
    assert constants["MAX_PNG_SIDE_PIXELS"] == MAX_PNG_SIDE_PIXELS
    assert constants["MAX_JPEG_SCANS"] == MAX_JPEG_SCANS
    assert constants["MAX_EXTRANEOUS_BYTES"] == MAX_JPEG_EXTRANEOUS_BYTES


@EVERY_FORMAT
@pytest.mark.parametrize("size", [(1, 1), SIZE, (2, 16_000), (16_000, 2), (5000, 5000)])
def test_format_and_size_are_read(make: object, size: tuple[int, int]) -> None:
    assert callable(make)
    assert check_image(make(*size)) == (MEDIA_TYPES[make], size)


@pytest.mark.parametrize("make", [png, lossy_webp, lossless_webp, extended_webp])
def test_more_pixels_than_the_container_takes_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ImageTooLargeError, match="5001 x 5000 pixels; at most 25 megapixels are"):
        check_image(make(5001, 5000))


@pytest.mark.parametrize(("width", "height"), [(65_536, 1), (1, 25_000_000)])
def test_a_longer_side_of_a_png_is_refused(width: int, height: int) -> None:
    assert check_image(png(min(width, 65_535), min(height, 65_535))).size is not None
    with pytest.raises(ImageTooLargeError, match=f"{width} x {height} pixels; at most 65535 on a"):
        check_image(png(width, height))


@pytest.mark.parametrize("frame", [0xC0, 0xC1])
def test_a_baseline_jpeg_may_have_more_pixels(frame: int) -> None:
    assert check_image(jpeg(10_000, 5000, frame=frame)).size == (10_000, 5000)
    with pytest.raises(ImageTooLargeError, match="10001 x 5000 pixels; at most 50 megapixels are"):
        check_image(jpeg(10_001, 5000, frame=frame))


@pytest.mark.parametrize("frame", [0xC2, 0xC3, 0xC5, 0xC9, 0xCA, 0xDE])
def test_another_jpeg_may_not(frame: int) -> None:
    assert check_image(jpeg(5000, 5000, frame=frame)).size == (5000, 5000)
    with pytest.raises(ImageTooLargeError, match="at most 25 megapixels of a progressive JPEG"):
        check_image(jpeg(5001, 5000, frame=frame))


@pytest.mark.parametrize("make", [jpeg, png, lossy_webp])
@pytest.mark.parametrize("size", [(0, 9), (9, 0)])
def test_an_image_without_pixels_is_refused(make: object, size: tuple[int, int]) -> None:
    assert callable(make)
    with pytest.raises(UnreadableImageError, match=f"{size[0]} x {size[1]} pixels"):
        check_image(make(*size))


# In bytes, where the header has the last of the size; a JPEG must also have a scan.
ENDS = dict(zip(IMAGES, [IMAGES[0].index(b"\xff\xda") + 2, 8 + 18, 30, 25, 30], strict=True))


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_that_is_cut_tells_its_size_or_is_refused(image: bytes) -> None:
    for length in range(16, len(image)):
        if length >= ENDS[image]:
            assert check_image(image[:length]).size == SIZE
        else:
            with pytest.raises(UnreadableImageError, match=r"header ends before|no pixels"):
                check_image(image[:length])


@pytest.mark.parametrize("size", [(70_000, 2), (2, 70_000)])
def test_a_canvas_may_be_longer_than_16_bits(size: tuple[int, int]) -> None:
    assert check_image(extended_webp(*size)).size == size


FRAMES = {*range(0xC0, 0xD0), 0xDE} - {0xC4, 0xC8, 0xCC}
OTHER_SEGMENTS = {0xC4, 0xCC, 0xFE, *range(0xDB, 0xF0)} - FRAMES
BARE_MARKERS = {*range(1, 0xC0), 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}


@pytest.mark.parametrize("kind", sorted(FRAMES))
def test_the_frame_of_every_process_of_jpeg_tells_the_size(kind: int) -> None:
    assert check_image(jpeg(*SIZE, frame=kind)).size == SIZE
    assert check_image(jpeg(*SIZE, jpeg_segment(0xE1, jpeg_frame(7, 7, kind)))).size == SIZE
    content = struct.pack(">BHHB", 8, *reversed(SIZE), 1) + jpeg_frame(7, 7)
    scan = jpeg_segment(0xDA, bytes(6))
    assert check_image(b"\xff\xd8" + jpeg_segment(kind, content) + scan).size == SIZE


@pytest.mark.parametrize("kind", sorted(OTHER_SEGMENTS))
def test_what_is_inside_a_segment_is_not_looked_at(kind: int) -> None:
    assert check_image(jpeg(*SIZE, jpeg_segment(kind, jpeg_frame(7, 7)))).size == SIZE


@pytest.mark.parametrize("kind", sorted(BARE_MARKERS))
def test_a_marker_without_a_length_is_passed_over(kind: int) -> None:
    assert check_image(jpeg(*SIZE, bytes([0xFF, kind]))).size == SIZE


@pytest.mark.parametrize(
    ("colour_type", "depths"),
    {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items(),
)
def test_every_kind_of_png_tells_its_size(colour_type: int, depths: tuple[int, ...]) -> None:
    for depth in depths:
        image = png(7, 7)[:8] + png_header(*SIZE, depth, colour_type) + png_chunk(b"IDAT")
        assert check_image(image).size == SIZE


ODD_JPEGS = {
    "a thumbnail": jpeg(*SIZE, jpeg_segment(0xE1, THUMBNAIL)),
    "segments of the longest length": jpeg(*SIZE, *[jpeg_segment(0xE2, bytes(65_533))] * 20),
    "fill bytes": jpeg(*SIZE, b"\xff" * 9, jpeg_segment(0xE0, b"JFIF"), b"\xff"),
    "junk": jpeg(*SIZE, jpeg_segment(0xE0, b"JFIF"), b"junk \xff\x00 \xff\xff\x00"),
    "lengths of 0 and 1": jpeg(*SIZE, b"\xff\xe0\0\0", b"\xff\xe0\0\1"),
    "a frame before": b"\xff\xd8" + jpeg_frame(9000, 9000) + jpeg(*SIZE)[2:],
}
ODD_PNGS = {
    "a text before the header": png(*SIZE, png_chunk(b"tEXt", b"IHDR")),
    "a header before": png(*SIZE, png_header(9000, 9000)),
    "no pixels": png(*SIZE)[: 8 + 25] + png_chunk(b"IEND") + png_header(9000, 9000),
    "a header after the pixels": png(*SIZE) + png_header(9000, 9000),
    "a header after those of an animation": (
        png(*SIZE)[: 8 + 25] + png_chunk(b"fdAT", bytes(9)) + png_header(9000, 9000)
    ),
}


@pytest.mark.parametrize(
    "image",
    [pytest.param(value, id=name) for name, value in {**ODD_JPEGS, **ODD_PNGS}.items()],
)
def test_what_pillow_passes_over_is_passed_over(image: bytes) -> None:
    assert check_image(image).size == SIZE


NO_SIZES = {
    "a JPEG with its scan first": b"\xff\xd8" + jpeg_segment(0xDA, bytes(6)) + jpeg_frame(*SIZE),
    "a JPEG of nothing": b"\xff\xd8\xff" + bytes(99),
    "a JPEG with a thumbnail alone": b"\xff\xd8" + jpeg_segment(0xE1, THUMBNAIL),
    "a PNG of nothing": png(*SIZE, png_chunk(b"IEND")),
}


@pytest.mark.parametrize(
    "image", [pytest.param(value, id=name) for name, value in NO_SIZES.items()]
)
def test_a_header_without_a_size_is_refused(image: bytes) -> None:
    with pytest.raises(UnreadableImageError, match="header ends before"):
        check_image(image)


HEADER = jpeg(*SIZE)[:15]
NO_PIXELS = {
    "a segment that ends after the file": (HEADER + b"\xff\xe1\xff\xff", "cut off"),
    "an end": (HEADER + b"\xff\xd9", "cut off"),
    "4 MiB of fill bytes": (HEADER.ljust(MAX_IMAGE_BYTES, b"\xff"), "65536 bytes of its header"),
    "4 MiB of junk": (HEADER.ljust(MAX_IMAGE_BYTES, b"\0"), "65536 bytes of its header"),
    "junk in parts": (
        b"\xff\xd8" + (jpeg_segment(0xFE, b"") + bytes(20_000)) * 4 + jpeg(*SIZE)[2:],
        "65536 bytes of its header",
    ),
}


@pytest.mark.parametrize(
    ("image", "words"), [pytest.param(*value, id=name) for name, value in NO_PIXELS.items()]
)
def test_a_jpeg_whose_pixels_no_decoder_finds_is_refused(image: bytes, words: str) -> None:
    with pytest.raises(UnreadableImageError, match=words):
        check_image(image)


DOUBTS = {
    "a long JPEG header": jpeg(9000, 9000, *[jpeg_segment(0xFE, b"")] * MAX_HEADER_PARTS),
    "a long PNG header": png(9000, 9000, *[png_chunk(b"tEXt")] * MAX_HEADER_PARTS),
    "PNG pixels before the header": png(9000, 9000, png_chunk(b"IDAT")),
    "PNG frames before the header": png(9000, 9000, png_chunk(b"fdAT", bytes(4))),
    "no kind of PNG": png(*SIZE, png_header(9000, 9000, 4, 2)),
    "no colours of PNG": png(*SIZE, png_header(9000, 9000, 8, 5)),
    "no start code": lossy_webp(9000, 9000).replace(b"\x9d\x01\x2a", b"\x9d\x01\x2b"),
    "no signature": lossless_webp(9000, 9000).replace(b"\x2f", b"\x2e", 1),
    "another kind of WebP": extended_webp(9000, 9000).replace(b"VP8X", b"VP9 "),
}


@pytest.mark.parametrize("image", [pytest.param(value, id=name) for name, value in DOUBTS.items()])
def test_in_doubt_the_container_decides(image: bytes) -> None:
    assert check_image(image).size is None


@pytest.mark.parametrize(("scans", "refused"), [(128, False), (129, True)])
def test_a_jpeg_of_too_many_scans_is_refused(scans: int, refused: bool) -> None:
    image = jpeg(*SIZE, frame=0xC2) + jpeg_segment(0xDA, bytes(6)) * (scans - 1)

    if refused:
        with pytest.raises(UnreadableImageError, match="more than 128 scans"):
            check_image(image)
    else:
        assert check_image(image).size == SIZE


def test_only_a_jpeg_has_scans() -> None:
    assert check_image(png(*SIZE) + b"\xff\xda" * 999).size == SIZE


@given(
    start=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b""]),
    rest=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [b"\xff\xc0", b"\xff\xda", b"IHDR", b"IDAT", b"VP8 ", b"VP8L", b"VP8X"]
            ),
        )
    ).map(b"".join),
)
def test_any_bytes_are_checked_or_refused(start: bytes, rest: bytes) -> None:
    try:
        checked = check_image(start + rest)
    except RequestError:
        return
    assert isinstance(checked, CheckedImage)
    sequential = re.search(rb"\xff[\xc0\xc1]", start + rest)
    is_baseline = checked.media_type == "image/jpeg" and sequential is not None
    max_pixels = MAX_BASELINE_JPEG_PIXELS if is_baseline else MAX_PIXELS
    assert checked.size is None or 0 < checked.size.width * checked.size.height <= max_pixels


@pytest.mark.parametrize(
    "filling",
    [b"\0", b"\xff", b"\xff\x00", b"\xff\xe0\0\2", b"\xff\xd0", b"\0\0\0\0tEXt\0\0\0\0"],
)
@pytest.mark.parametrize("start", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_no_4_mib_take_long(start: bytes, filling: bytes) -> None:
    image = (start + filling * (MAX_IMAGE_BYTES // len(filling)))[:MAX_IMAGE_BYTES]

    def work() -> None:
        with contextlib.suppress(UnreadableImageError):
            assert check_image(image).size is None

    check_cpu_time(work, max_seconds=0.5)
