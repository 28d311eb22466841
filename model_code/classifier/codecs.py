"""What a request's headers and body ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from classifier.errors import RequestError
from classifier.json_pictures import read_instances, read_lines

DEFAULT_TOP_K: Final = 5

# At most six digits: Python refuses to convert thousands of them.
_NUMBER = re.compile(r"[0-9]{1,6}")


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


@dataclass(frozen=True)
class Attributes:
    """What a request asks for beside its pictures.

    Attributes:
        top_k: predictions of each picture, 1 to the number of classes.
        measurements: whether to measure pictures and predictions; only the answer to one picture
            in JSON has a place for them.
    """

    top_k: int
    measurements: bool


def read_attributes(custom_attributes: str | None, class_count: int) -> Attributes:
    """Read SageMaker's CustomAttributes header: `top_k=3,measurements=true`, each where wanted.

    Other attributes are left to others (tracing uses the same header).

    Raises:
        RequestError: one of ours is given twice, or `invalid_top_k`: not a whole number from 1 to
            `class_count`; `invalid_request`: measurements are neither true nor false.
    """
    pairs = [item.partition("=") for item in (custom_attributes or "").split(",")]
    return Attributes(
        top_k=_read_top_k(_values_of("top_k", pairs), class_count),
        measurements=_read_measurements(_values_of("measurements", pairs)),
    )


def _values_of(name: str, pairs: Iterable[tuple[str, str, str]]) -> list[str]:
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def _read_top_k(values: list[str], class_count: int) -> int:
    if not values:
        return min(DEFAULT_TOP_K, class_count)
    if len(values) == 1 and _NUMBER.fullmatch(values[0]) and 1 <= int(values[0]) <= class_count:
        return int(values[0])
    raise RequestError("invalid_top_k", f"top_k must be one whole number from 1 to {class_count}.")


def _read_measurements(values: list[str]) -> bool:
    if values in ([], ["false"], ["true"]):
        return values == ["true"]
    raise RequestError("invalid_request", "measurements must be given once, as true or false.")
