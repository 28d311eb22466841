"""Read the images of a request's body, by its content type."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from classifier.errors import RequestError
from classifier.serving import multipart
from classifier.serving.json_images import read_instances, read_lines


class RequestForm(Enum):
    """The form of a request's body; the response has the same form."""

    IMAGE = auto()
    INSTANCES = auto()
    LINES = auto()


# The image's format is read from its bytes. These are the content types that clients send for
# images; curl and browsers send some of them by default.
_IMAGE_TYPES: Final = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/jpg",
    "image/pjpeg",
    "image/x-png",
    "application/octet-stream",
    "application/x-image",
    "application/x-www-form-urlencoded",
    multipart.CONTENT_TYPE,
)
FORM_BY_CONTENT_TYPE: Final = {
    **dict.fromkeys(_IMAGE_TYPES, RequestForm.IMAGE),
    "application/json": RequestForm.INSTANCES,
    "application/jsonlines": RequestForm.LINES,
    "application/x-jsonlines": RequestForm.LINES,
    "application/x-ndjson": RequestForm.LINES,
}


def is_image_alone(content_type: str | None) -> bool:
    """Return whether the body is a single image without an envelope that must be parsed."""
    media_type = _media_type(content_type)
    form = FORM_BY_CONTENT_TYPE.get(media_type, RequestForm.IMAGE)
    return form is RequestForm.IMAGE and media_type != multipart.CONTENT_TYPE


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


class ImageRequest(NamedTuple):
    """A request's images, not yet decoded.

    Attributes:
        images: files' bytes, at least one. For JSON lines, a line that cannot be read has an error
            instead, so that it does not fail the other lines.
        form: form of the request's body.
    """

    images: tuple[bytes | memoryview | RequestError, ...]
    form: RequestForm


def read_request(
    content_type: str | None, body: bytes | bytearray, *, max_images: int
) -> ImageRequest:
    """Read the images of a body.

    Each image's format is detected from its bytes: `image/png` for a JPEG, or no Content-Type,
    is accepted.

    Args:
        content_type: the header; only a form's boundary parameter is used.
        body: the whole body. A single image is returned as a view of it, not as a copy.
        max_images: maximum number of instances or lines.

    Raises:
        RequestError: `empty_body`, `unsupported_media_type` or `invalid_request`.
    """
    if not body:
        raise RequestError("empty_body", "The body is empty; send an image's bytes.")
    media_type = _media_type(content_type)
    form = FORM_BY_CONTENT_TYPE.get(media_type) if media_type else RequestForm.IMAGE
    if form is None:
        raise RequestError(
            "unsupported_media_type",
            f"Content-Type is {media_type[:60]!a}; send one of {', '.join(FORM_BY_CONTENT_TYPE)}.",
        )
    if media_type == multipart.CONTENT_TYPE:
        return ImageRequest((multipart.read_file(content_type or "", body),), form)
    if form is RequestForm.IMAGE:
        return ImageRequest((memoryview(body),), form)
    if form is RequestForm.INSTANCES:
        return ImageRequest(read_instances(body, max_images), form)
    return ImageRequest(read_lines(body, max_images), form)
