"""Read image files, which may be anything that has an image's name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from classifier.training.errors import DataError

# The most that the model server can be set to accept (WHIPPET_MAX_BODY_BYTES).
MAX_IMAGE_BYTES: Final = 25_000_000


def read_image_file(path: Path) -> bytes:
    """Return the bytes of a file, of which no more than an image may have are read.

    Raises:
        DataError: the file has too many bytes; the message does not name it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_IMAGE_BYTES + 1)
    if len(content) > MAX_IMAGE_BYTES:
        raise DataError(f"has more than {MAX_IMAGE_BYTES} bytes, the most that an image may have")
    return content
