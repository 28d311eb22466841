"""The pictures in a request's body."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from classifier.errors import RequestError
from classifier.json_pictures import read_instances, read_lines


class RequestForm(Enum):
    """How the pictures lie in a body; the answer has the same form."""

    PICTURE = auto()
    INSTANCES = auto()
    LINES = auto()


FORM_BY_CONTENT_TYPE: Final = {
    "image/jpeg": RequestForm.PICTURE,
    "image/png": RequestForm.PICTURE,
    "image/webp": RequestForm.PICTURE,
    "application/json": RequestForm.INSTANCES,
    "application/jsonlines": RequestForm.LINES,
    "application/x-jsonlines": RequestForm.LINES,
    "application/x-ndjson": RequestForm.LINES,
}


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
    JPEG is no error.

    Args:
        content_type: the header; parameters are ignored.
        body: all of it. One picture is a view of it and not a copy.
        max_pictures: most instances or lines.

    Raises:
        RequestError: `empty_body`, `unsupported_media_type` or `invalid_request`.
    """
    if not body:
        raise RequestError("empty_body", "The body is empty; send a picture's bytes.")
    media_type = (content_type or "").partition(";")[0].strip().lower()
    form = FORM_BY_CONTENT_TYPE.get(media_type)
    if form is None:
        raise RequestError(
            "unsupported_media_type",
            f"Content-Type is {ascii(media_type[:100]) if media_type else 'missing'}; "
            f"send one of {', '.join(FORM_BY_CONTENT_TYPE)}.",
        )
    if form is RequestForm.PICTURE:
        return PictureRequest((memoryview(body),), form)
    if form is RequestForm.INSTANCES:
        return PictureRequest(read_instances(body, max_pictures), form)
    return PictureRequest(read_lines(body, max_pictures), form)
