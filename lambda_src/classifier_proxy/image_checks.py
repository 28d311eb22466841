from typing import NamedTuple

from classifier_proxy.errors import (
    EmptyBodyError,
    ImageTooLargeError,
    PayloadTooLargeError,
    UnreadableImageError,
    UnsupportedImageError,
)
from classifier_proxy.image_headers import PictureSize, has_more_jpeg_scans, read_size

MAXIMUM_IMAGE_BYTES = 4 * 1024 * 1024
"""4 MiB: in base64 it still fits the 6 MB that Lambda takes in one synchronous call."""

MAXIMUM_PIXELS = 25_000_000
"""As in the container (`model_code/classifier/image/decoding.py`), where the reason is."""

MAXIMUM_JPEG_SCANS = 128
"""As in the container too."""


class CheckedImage(NamedTuple):
    """What is known of a picture that nothing speaks against.

    Attributes:
        media_type: its true format, "image/jpeg", "image/png" or "image/webp".
        size: None where its header does not tell; the container will see.
    """

    media_type: str
    size: PictureSize | None


def check_image(image: bytes) -> CheckedImage:
    """Check what can be told of a picture without decoding it.

    The bytes decide, not what the caller calls them: a JPEG sent as image/png is a JPEG. What the
    container would decode is never refused; where the header leaves a doubt, the picture passes.

    Args:
        image: the picture's bytes.

    Returns:
        Its true format and its size.

    Raises:
        EmptyBodyError: there is not one byte.
        PayloadTooLargeError: there are more than `MAXIMUM_IMAGE_BYTES`.
        UnsupportedImageError: the bytes start like none of the three formats; the text names what
            they are instead, where that is known.
        UnreadableImageError: more scans than `MAXIMUM_JPEG_SCANS`, no size, or a side of 0 pixels.
        ImageTooLargeError: more pixels than `MAXIMUM_PIXELS`.
    """
    if not image:
        raise EmptyBodyError
    check_size(len(image))
    media_type = _media_type(image)
    if media_type is None:
        raise UnsupportedImageError(_foreign(image))
    if media_type == "image/jpeg" and has_more_jpeg_scans(image, MAXIMUM_JPEG_SCANS):
        raise UnreadableImageError(
            f"The JPEG has more than {MAXIMUM_JPEG_SCANS} scans; save it again."
        )
    size = read_size(image, media_type)
    if size is not None:
        _check_pixels(size)
    return CheckedImage(media_type, size)


def check_size(byte_count: int) -> None:
    """Refuse a picture of too many bytes.

    Args:
        byte_count: bytes of the picture once decoded from base64.

    Raises:
        PayloadTooLargeError: more than `MAXIMUM_IMAGE_BYTES`.
    """
    if byte_count > MAXIMUM_IMAGE_BYTES:
        raise PayloadTooLargeError(
            f"The image has {byte_count} bytes; at most {MAXIMUM_IMAGE_BYTES} (4 MiB) are accepted."
            " Send a smaller one."
        )


def starts_like_an_image(body: bytes) -> bool:
    """Tell whether a body is probably an image, be it one that was converted to text.

    Args:
        body: the bytes.
    """
    return _media_type(body) is not None or body.startswith(("\ufffd".encode(), b"\x89PNG"))


def _media_type(image: bytes) -> str | None:
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "image/webp"
    return None


def _foreign(body: bytes) -> str:
    # Here, so that only who sends another format waits for this import.
    from classifier_proxy.foreign_bodies import describe

    return describe(body) or "The body is not a JPEG, PNG or WebP image."


def _check_pixels(size: PictureSize) -> None:
    width, height = size
    if not width or not height:
        raise UnreadableImageError(f"The picture's header says {width} x {height} pixels.")
    if width * height > MAXIMUM_PIXELS:
        raise ImageTooLargeError(
            f"The image has {width} x {height} pixels; at most {MAXIMUM_PIXELS // 1_000_000}"
            " megapixels are accepted. Send a smaller one."
        )
