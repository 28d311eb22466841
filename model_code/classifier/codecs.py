"""What a request's headers ask for."""

from __future__ import annotations

import re
from typing import Final

from classifier.errors import RequestError

PICTURE_CONTENT_TYPES: Final = ("image/jpeg", "image/png", "image/webp")
DEFAULT_TOP_K: Final = 5

# At most six digits: Python refuses to convert thousands of them.
_NUMBER = re.compile(r"[0-9]{1,6}")


def check_content_type(header: str | None) -> None:
    """Accept a picture's content type; which of the three the bytes are, they say themselves.

    Raises:
        RequestError: `unsupported_media_type`.
    """
    content_type = (header or "").partition(";")[0].strip().lower()
    if content_type not in PICTURE_CONTENT_TYPES:
        raise RequestError(
            "unsupported_media_type",
            f"Content-Type is {content_type or 'missing'!r}; "
            f"send one of {', '.join(PICTURE_CONTENT_TYPES)}.",
        )


def requested_top_k(custom_attributes: str | None, class_count: int) -> int:
    """Read `top_k=N` from SageMaker's CustomAttributes header, a list joined by commas.

    Other attributes are left to others (tracing uses the same header).

    Raises:
        RequestError: `invalid_top_k`: not a whole number from 1 to `class_count`, or given twice.
    """
    pairs = [item.partition("=") for item in (custom_attributes or "").split(",")]
    values = [value.strip() for key, _, value in pairs if key.strip() == "top_k"]
    if not values:
        return min(DEFAULT_TOP_K, class_count)
    if len(values) == 1 and _NUMBER.fullmatch(values[0]) and 1 <= int(values[0]) <= class_count:
        return int(values[0])
    raise RequestError("invalid_top_k", f"top_k must be one whole number from 1 to {class_count}.")
