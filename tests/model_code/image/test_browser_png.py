"""PNGs that every browser shows, and what must not decide how they look."""

from __future__ import annotations

import itertools
import struct
import zlib

import pytest
from PIL import Image

from classifier.image.decoding import decode_image
from tests.cpu_time import check_cpu_time
from tests.model_code.image.image_files import (
    GREY,
    GREY_ALPHA,
    IMAGE,
    PALETTE,
    RGB,
    RGBA,
    WHITE,
    XMP,
    chunk_of,
    encode,
    exif_of,
    first_row,
    is_same,
    png_of,
    refusal_of,
    rgb_png,
)


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(chunk_of(b"sRGB"), id="empty sRGB"),
        pytest.param(chunk_of(b"gAMA", b"\0"), id="short gAMA"),
        pytest.param(chunk_of(b"cHRM", b"\0" * 7), id="short cHRM"),
        pytest.param(chunk_of(b"pHYs"), id="empty pHYs"),
        pytest.param(chunk_of(b"tEXt", b"k\0v", checksum=0), id="bad checksum of tEXt"),
        pytest.param(chunk_of(b"tIME", b"1234567", checksum=1), id="bad checksum of tIME"),
        pytest.param(chunk_of(b"tRNS", b"\0\xff\0\0\0\0", checksum=2), id="bad checksum of tRNS"),
        pytest.param(chunk_of(b"eXIf", exif_of(6)[6:], checksum=3), id="bad checksum of eXIf"),
        pytest.param(chunk_of(b"tRNS", b"\0\xff"), id="tRNS of another length"),
        pytest.param(chunk_of(b"zTXt", b"k\0\x09" + b"x" * 20), id="unknown compression"),
        pytest.param(chunk_of(b"iCCP", b"k"), id="iCCP cut short"),
        pytest.param(chunk_of(b"acTL", b"\0"), id="short acTL"),
        pytest.param(chunk_of(b"fcTL", b"\0" * 26), id="fcTL out of order"),
        pytest.param(chunk_of(b"abCd", b"private"), id="private"),
        pytest.param(
            chunk_of(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), id="orientation in XMP"
        ),
        pytest.param(chunk_of(b"tEXt", b"Raw profile type exif\0\n\n\n\n4d4d"), id="EXIF in text"),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_an_ancillary_chunk_does_not_change_a_png(chunk: bytes, place: str) -> None:
    data = rgb_png(chunk) if place == "before" else rgb_png(after=chunk)
    assert is_same(data, rgb_png())
    assert decode_image(data).tobytes() == IMAGE.tobytes()


def test_a_bad_checksum_of_what_decides_pixels_is_refused() -> None:
    data = bytearray(rgb_png())
    data[29] ^= 1
    error = refusal_of(bytes(data))
    assert error.code == "unreadable_image"
    assert "damaged" in error.message


@pytest.mark.parametrize(
    ("kind", "head"),
    [(b"iTXt", b"k\0\1\0\0\0"), (b"zTXt", b"k\0\0"), (b"iCCP", b"profile\0\0")],
)
@pytest.mark.parametrize("inflated_bytes", [3_000_000, 100_000_000])
def test_metadata_is_not_inflated(
    kind: bytes, head: bytes, inflated_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = chunk_of(kind, head + zlib.compress(bytes(inflated_bytes)))
    data = rgb_png(chunk, after=chunk)
    monkeypatch.setattr("zlib.decompressobj", None)
    image = check_cpu_time(lambda: decode_image(data), max_seconds=0.2)
    assert image.tobytes() == IMAGE.tobytes()


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_orientation_in_a_png_is_found_wherever_it_lies(place: str) -> None:
    chunk = chunk_of(b"eXIf", exif_of(6)[6:])
    data = rgb_png(chunk) if place == "before" else rgb_png(after=chunk)
    assert decode_image(data).size == (8, 16)


def _packed(samples: list[int], depth: int) -> bytes:
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_transparent_grey_of_any_depth_is_white(depth: int) -> None:
    largest = (1 << depth) - 1
    samples = sorted({0, 1, largest // 2, largest - 1, largest})
    row = _packed(samples, depth)
    # 16 bits become 8 by their high byte.
    scaled = [sample >> 8 if depth == 16 else sample * 255 // largest for sample in samples]
    for transparent in samples:
        for high_bits in (0, 0 if depth == 16 else 0xFF << depth):
            chunk = chunk_of(b"tRNS", struct.pack(">H", (transparent | high_bits) & 0xFFFF))
            data = png_of([row], chunk, width=len(samples), depth=depth, colour=GREY)
            expected = [
                WHITE if sample == transparent else (value,) * 3
                for sample, value in zip(samples, scaled, strict=True)
            ]
            assert first_row(data) == expected


@pytest.mark.parametrize("depth", [8, 16])
def test_every_bit_of_a_transparent_colour_is_compared(depth: int) -> None:
    first = (10, 20, 30) if depth == 8 else (0x1234, 0x5678, 0x9ABC)
    colours = [first, *((*first[:i], first[i] ^ 1, *first[i + 1 :]) for i in range(3))]
    layout = ">3B" if depth == 8 else ">3H"
    row = b"".join(struct.pack(layout, *colour) for colour in colours)
    chunk = chunk_of(b"tRNS", struct.pack(">3H", *first))
    expected = [tuple(value >> depth - 8 for value in colour) for colour in colours]
    plain = png_of([row], width=4, depth=depth, colour=RGB)
    assert first_row(plain) == expected
    assert first_row(png_of([row], chunk, width=4, depth=depth, colour=RGB)) == [
        WHITE,
        *expected[1:],
    ]


def test_sixteen_bits_with_alpha_are_laid_on_white() -> None:
    row = struct.pack(">8H", 0x8000, 0, 0, 0xFFFF, 0x8000, 0, 0, 0)
    assert first_row(png_of([row], width=2, depth=16, colour=RGBA)) == [(128, 0, 0), WHITE]
    row = struct.pack(">4H", 0x8000, 0xFFFF, 0x8000, 0)
    assert first_row(png_of([row], width=2, depth=16, colour=GREY_ALPHA)) == [
        (128, 128, 128),
        WHITE,
    ]


def test_transparency_survives_an_orientation() -> None:
    exif = chunk_of(b"eXIf", exif_of(3)[6:])
    row = struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 1, 2, 0x300)
    trns = chunk_of(b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC))
    assert first_row(png_of([row], trns, exif, width=2, depth=16, colour=RGB)) == [(0, 0, 3), WHITE]
    row = struct.pack(">2H", 0x1234, 0x200)
    trns = chunk_of(b"tRNS", struct.pack(">H", 0x1234))
    assert first_row(png_of([row], trns, exif, width=2, depth=16, colour=GREY)) == [
        (2, 2, 2),
        WHITE,
    ]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_may_be_transparent_in_steps(depth: int) -> None:
    palette = chunk_of(b"PLTE", b"\xff\0\0" + b"\0\0\xff")
    data = png_of(
        [_packed([0, 1], depth)],
        palette,
        chunk_of(b"tRNS", b"\x80"),
        width=2,
        depth=depth,
        colour=PALETTE,
    )
    assert first_row(data) == [(255, 127, 127), (0, 0, 255)]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_png_without_its_palette_is_refused(depth: int) -> None:
    data = png_of([_packed([0, 1], depth)], width=2, depth=depth, colour=PALETTE)
    assert refusal_of(data).code == "unreadable_image"


def test_of_an_animated_png_the_image_is_shown_that_every_decoder_shows() -> None:
    data = encode(
        IMAGE, "PNG", save_all=True, append_images=[IMAGE.rotate(180)], default_image=True
    )
    assert b"acTL" in data
    assert decode_image(data).tobytes() == IMAGE.tobytes()


def test_a_png_without_its_end_is_shown() -> None:
    assert decode_image(rgb_png()[:-12]).tobytes() == IMAGE.tobytes()
    assert decode_image(rgb_png()[:-16]).tobytes() == IMAGE.tobytes()


def test_all_kinds_of_png_are_decoded_as_pillow_decodes_them() -> None:
    for mode, optimize in itertools.product(
        ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), (False, True)
    ):
        image = Image.linear_gradient("L").resize((31, 17)).convert(mode)
        decoded = decode_image(encode(image, "PNG", optimize=optimize))
        if mode not in ("LA", "RGBA", "I;16"):
            assert decoded.tobytes() == image.convert("RGB").tobytes()
        assert decoded.size == (31, 17)
