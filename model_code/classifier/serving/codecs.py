"""The pictures in a request's body."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from classifier.errors import RequestError
from classifier.serving import multipart
from classifier.serving.json_images import read_instances, read_lines


class RequestForm(Enum):
    """How the pictures lie in a body; the answer has the same form."""

    PICTURE = auto()
    INSTANCES = auto()
    LINES = auto()


# What an image is, its bytes say; these are what clients call one, curl and browsers by themselves.
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
    **dict.fromkeys(_IMAGE_TYPES, RequestForm.PICTURE),
    "application/json": RequestForm.INSTANCES,
    "application/jsonlines": RequestForm.LINES,
    "application/x-jsonlines": RequestForm.LINES,
    "application/x-ndjson": RequestForm.LINES,
}


def is_image_alone(content_type: str | None) -> bool:
    """Tell whether the body is an image's bytes and nothing else: there is nothing to parse."""
    media_type = _media_type(content_type)
    form = FORM_BY_CONTENT_TYPE.get(media_type, RequestForm.PICTURE)
    return form is RequestForm.PICTURE and media_type != multipart.CONTENT_TYPE


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class PictureRequest:
    """A request's pictures, not yet decoded.

    Attributes:
        pictures: files' bytes, at least one. Of lines alone, an error stands in place of a
            picture that cannot be read, so that it does not fail the others.
        form: how they came.
    """

    pictures: tuple[bytes | memoryview | RequestError, ...]
    form: RequestForm


def read_request(
    content_type: str | None, body: bytes | bytearray, *, max_pictures: int
) -> PictureRequest:
    """Read the pictures of a body.

    Which of the three formats a picture is of, its bytes say themselves: `image/png` before a
    JPEG is no error, and no Content-Type is none either.

    Args:
        content_type: the header; of its parameters only the boundary of a form counts.
        body: all of it. One picture is a view of it and not a copy.
        max_pictures: most instances or lines.

    Raises:
        RequestError: `empty_body`, `unsupported_media_type` or `invalid_request`.
    """
    if not body:
        raise RequestError("empty_body", "The body is empty; send a picture's bytes.")
    media_type = _media_type(content_type)
    form = FORM_BY_CONTENT_TYPE.get(media_type) if media_type else RequestForm.PICTURE
    if form is None:
        raise RequestError(
            "unsupported_media_type",
            f"Content-Type is {media_type[:60]!a}; send one of {', '.join(FORM_BY_CONTENT_TYPE)}.",
        )
    if media_type == multipart.CONTENT_TYPE:
        return PictureRequest((multipart.read_file(content_type or "", body),), form)
    if form is RequestForm.PICTURE:
        return PictureRequest((memoryview(body),), form)
    if form is RequestForm.INSTANCES:
        return PictureRequest(read_instances(body, max_pictures), form)
    return PictureRequest(read_lines(body, max_pictures), form)
