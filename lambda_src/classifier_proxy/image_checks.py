from classifier_proxy.errors import EmptyBodyError, PayloadTooLargeError, UnsupportedImageError

MAXIMUM_IMAGE_BYTES = 4 * 1024 * 1024
"""4 MiB: in base64 it still fits the 6 MB that Lambda takes in one synchronous call."""


def check_image(image: bytes) -> str:
    """Check what can be told of a picture without decoding it, and name its format.

    The bytes decide, not what the caller calls them: a JPEG sent as image/png is a JPEG.

    Args:
        image: the picture's bytes.

    Returns:
        The true media type: "image/jpeg", "image/png" or "image/webp".

    Raises:
        EmptyBodyError: there is not one byte.
        PayloadTooLargeError: there are more than `MAXIMUM_IMAGE_BYTES`.
        UnsupportedImageError: the bytes start like none of the three formats.
    """
    if not image:
        raise EmptyBodyError
    check_size(len(image))
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "image/webp"
    raise UnsupportedImageError


def check_size(byte_count: int) -> None:
    """Refuse a picture of too many bytes.

    Args:
        byte_count: bytes of the picture once decoded from base64.

    Raises:
        PayloadTooLargeError: more than `MAXIMUM_IMAGE_BYTES`.
    """
    if byte_count > MAXIMUM_IMAGE_BYTES:
        raise PayloadTooLargeError(
            f"The picture has {byte_count} bytes; at most {MAXIMUM_IMAGE_BYTES} (4 MiB) are taken."
            " Send a smaller one."
        )
