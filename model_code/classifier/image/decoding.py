"""Decode an image to upright RGB; refuse one that would cost too much to decode."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Final

import numpy
from PIL import Image, JpegImagePlugin

from classifier.errors import RequestError
from classifier.image import jpeg_segments, png_chunks
from classifier.image.formats import image_format
from classifier.image.jpeg_segments import Frame
from classifier.image.orientation import DAMAGED, read_transpose

# A decompression bomb uses memory independent of its file size: a lossless WebP of 25 megapixels
# needs 393 MB, one of 49 megapixels 760 MB from a file of 1.9 KB.
MAX_PIXELS: Final = 25_000_000
# Phones make JPEGs of 48 and 50 megapixels. The decoder can reduce a baseline JPEG while it reads
# it: 50 megapixels then take 0.15 to 0.4 s and 85 MB (6 to 10 MB of file, half the size), and 25
# decoded completely 0.3 s and 180 MB. Progressive JPEGs are kept in memory as a whole first.
MAX_BASELINE_JPEG_PIXELS: Final = 50_000_000
# As of a JPEG. A row of 25 million pixels may be too long for the decoder, and as many rows of one
# pixel take 2 s.
MAX_PNG_SIDE_PIXELS: Final = 65_535
# Each scan of a progressive JPEG takes a pass over the whole image. The maximum in 1,195 real
# photos was 53; a file of 11 KB with 1,000 empty scans took 2.7 s to decode.
MAX_JPEG_SCANS: Final = 128
# Pillow raises at twice this value, except for JPEG. For WebP it raises before the decoder
# allocates the canvas, which happens before `_check_size` runs.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2

_RGB_OF_16_BITS = "RGB;16B"
_WHITE = 255
_OF_A_PROGRESSIVE_JPEG = (
    f" of a progressive JPEG ({MAX_BASELINE_JPEG_PIXELS // 1_000_000} of another)"
)


def decode_image(data: bytes, *, reduce_to: int | None = None) -> Image.Image:
    """Decode a JPEG, PNG or WebP to an upright image of mode RGB.

    Only pixels, palette, transparency, colour type and the EXIF orientation are used: other
    metadata is neither read nor inflated, even if it is damaged. The size is read from the header
    and checked before any pixel is decoded. Transparent pixels become white; CMYK, palette, grey
    and 16 bit become 8-bit RGB; of an animation the first frame is used.

    Args:
        data: the file's bytes.
        reduce_to: pixels that the shorter side will be resized to. A JPEG may then be decoded at
            a half, a quarter or an eighth of its size, but not below twice `reduce_to`: faster, but
            the result differs slightly. `None` decodes every pixel of an image of up to
            `MAX_PIXELS`; a larger JPEG is always decoded at half of its size or less.

    Raises:
        RequestError: `unsupported_image`, `unreadable_image` or `image_too_large`.
    """
    format_name = image_format(data)
    essence, frame, is_complete = _without_metadata(data, format_name)
    # Counted in the data that is decoded, after metadata is removed.
    if format_name == "JPEG" and jpeg_segments.has_more_scans(essence, MAX_JPEG_SCANS):
        raise RequestError(
            "unreadable_image", f"The JPEG has more than {MAX_JPEG_SCANS} scans; save it again."
        )
    try:
        # Pillow warns at half of its limit for an error.
        with warnings.catch_warnings(action="ignore"):
            image = _open(essence, format_name, frame)
            _reduce(image, reduce_to)
            has_wide_samples = _has_rgb_of_16_bits(image)
            image.load()
            if has_wide_samples and "transparency" in image.info:
                image = _transparent_rgb_of_16_bits(image, essence)
            return _to_rgb(_upright(image))
    except Image.DecompressionBombError as error:
        raise _too_large("too many", MAX_PIXELS) from error
    except DAMAGED as error:
        raise _unreadable(format_name, is_complete()) from error


def _without_metadata(
    data: bytes, format_name: str
) -> tuple[bytes, Frame | None, Callable[[], bool]]:
    """Return the data to decode, the frame of a JPEG, and whether the file is complete."""
    if format_name == "PNG":
        essence, is_complete = png_chunks.without_metadata(data)
        return essence, None, is_complete
    if format_name == "JPEG":
        jpeg = jpeg_segments.read_jpeg(data)
        return jpeg.essence, jpeg.frame, jpeg.is_complete
    # The RIFF size counts the bytes after the first two fields.
    return data, None, lambda: int.from_bytes(data[4:8], "little") + 8 <= len(data)


def _unreadable(format_name: str, is_complete: bool) -> RequestError:
    name = {"WEBP": "WebP"}.get(format_name, format_name)
    if is_complete:
        message = f"The {name} image is damaged and cannot be decoded; save it again."
    else:
        message = f"The {name} image is cut off: its end is missing. Send all of the file."
    return RequestError("unreadable_image", message)


def _open(data: bytes, format_name: str, frame: Frame | None) -> Image.Image:
    """Read the header of an image and check its size."""
    if format_name != "JPEG":
        image = Image.open(io.BytesIO(data), formats=(format_name,))
        if format_name == "PNG" and max(image.size) > MAX_PNG_SIDE_PIXELS:
            width, height = image.size
            raise RequestError(
                "image_too_large",
                f"The image has {width} x {height} pixels; at most {MAX_PNG_SIDE_PIXELS} on a side "
                "of a PNG are accepted.",
            )
        _check_size(image.size, MAX_PIXELS)
        return image
    # Not Image.open, which has one limit for all formats.
    jpeg = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    if frame is not None and frame.is_baseline:
        _check_size(jpeg.size, MAX_BASELINE_JPEG_PIXELS)
    else:
        _check_size(jpeg.size, MAX_PIXELS, _OF_A_PROGRESSIVE_JPEG)
    return jpeg


def _reduce(image: Image.Image, reduce_to: int | None) -> None:
    """Let the decoder reduce the image, where it can: that of JPEG."""
    width, height = image.size
    is_large = width * height > MAX_PIXELS
    if is_large:
        width, height = width // 2, height // 2
    if reduce_to is not None:
        width, height = min(width, 2 * reduce_to), min(height, 2 * reduce_to)
    if is_large or reduce_to is not None:
        image.draft(None, (width, height))


def _check_size(size: tuple[int, int], max_pixels: int, of_what: str = "") -> None:
    width, height = size
    if width * height > max_pixels:
        raise _too_large(f"{width} x {height}", max_pixels, of_what)


def _too_large(pixels: str, max_pixels: int, of_what: str = "") -> RequestError:
    megapixels = max_pixels // 1_000_000
    return RequestError(
        "image_too_large",
        f"The image has {pixels} pixels; at most {megapixels} megapixels{of_what} are accepted.",
    )


def _upright(image: Image.Image) -> Image.Image:
    if "exif" not in image.info:
        return image
    transpose = read_transpose(image.info["exif"])
    return image if transpose is None else image.transpose(transpose)


def _has_rgb_of_16_bits(image: Image.Image) -> bool:
    tiles = getattr(image, "tile", [])
    return bool(tiles) and tiles[0].args == _RGB_OF_16_BITS


def _transparent_rgb_of_16_bits(image: Image.Image, data: bytes) -> Image.Image:
    """Return an RGB PNG of 16 bits with alpha; all 16 bits decide which pixels are transparent.

    Pillow keeps only the high bytes. Decoded again with the opposite byte order, the image has the
    low bytes.
    """
    low_bytes = Image.open(io.BytesIO(data), formats=("PNG",))
    low_bytes.tile = [tile._replace(args="RGB;16L") for tile in low_bytes.tile]
    low_bytes.load()
    samples = numpy.asarray(low_bytes) | numpy.asarray(image).astype(numpy.uint16) << 8
    opaque = (samples != image.info["transparency"]).any(axis=2)
    layer = Image.fromarray(numpy.asarray(image))
    layer.putalpha(Image.fromarray(opaque.astype(numpy.uint8) * 255))
    layer.info["exif"] = image.info.get("exif", b"")
    return layer


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16 bit to white instead of scaling it.
        samples = numpy.asarray(image)
        high_byte = (samples >> 8).astype(numpy.uint8)
        high_byte[samples == image.info.get("transparency", -1)] = _WHITE
        return Image.fromarray(high_byte).convert("RGB")
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        # Needs two images in memory; Image.alpha_composite would need four.
        white = Image.new("RGB", layer.size, "white")
        white.paste(layer, mask=layer.getchannel("A"))
        return white
    return image.convert("RGB")
