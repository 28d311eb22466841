"""The images of a run: where they are, and what becomes of those that are not sent."""

from dataclasses import dataclass
from pathlib import Path

from tools.batch.stage import BatchStage
from tools.s3_uri import S3Uri


@dataclass(frozen=True, kw_only=True)
class Image:
    """A file or an object of the source; any file may be one, which the model server decides.

    Attributes:
        key: its path below the source.
        place: where it is.
        name: of its object in the stage's bucket; the same content has the same name. None: it is
            not sent.
        error: why not: `code` and `message`.
        etag: of an object of S3.
    """

    key: str
    place: Path | S3Uri
    name: str | None = None
    error: dict[str, str] | None = None
    etag: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a source has.

    Attributes:
        images: all but hidden files, in the order of their keys.
        hidden: files whose name, or that of a folder above, begins with a dot.
    """

    images: list[Image]
    hidden: list[str]


def size_error(stage: BatchStage, size_bytes: int) -> dict[str, str] | None:
    """Return why a file of this size is not sent, None if it is."""
    if size_bytes == 0:
        return {"code": "empty_body", "message": "The file is empty."}
    if size_bytes > stage.max_image_bytes:
        return {
            "code": "payload_too_large",
            "message": f"The file has {size_bytes} bytes; an image of a batch job may have at most "
            f"{stage.max_image_bytes} (batch.max_payload_mb = "
            f"{stage.settings.batch.max_payload_mb}).",
        }
    return None


def is_hidden(key: str) -> bool:
    """Return whether a part of a path begins with a dot."""
    return any(part.startswith(".") for part in key.split("/"))
