"""Puts the images of a run into the stage's bucket: those that are not there."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from botocore.exceptions import ClientError

from stacks.names import BATCH_INPUT_PREFIX
from tools.batch.images import Image
from tools.batch.stage import BatchStage
from tools.console import ToolError, slow_step, step
from tools.counted import counted
from tools.parallel import in_parallel
from tools.s3_objects import Upload, put
from tools.s3_uri import S3Uri
from tools.terminal import printable

_CHANGED: Final = {"PreconditionFailed", "NoSuchKey", "404", "412"}


def store_inputs(stage: BatchStage, images: Sequence[Image]) -> tuple[int, int]:
    """Upload or copy images; return how many were, and how many there already.

    Args:
        stage: that gets them.
        images: those that are sent; several may have one content.

    Raises:
        ToolError: an image changed meanwhile.
    """
    by_name = {image.name: image for image in images}
    days = stage.settings.batch.retention_days
    # Not one that could expire while the job runs.
    with slow_step("List the images that are there"):
        present = _names_since(stage, datetime.now(UTC) - timedelta(days=days / 2))
    missing = [image for name, image in by_name.items() if name not in present]
    with step(
        f"Put {counted(len(missing), 'image')} into s3://{stage.bucket}/{BATCH_INPUT_PREFIX}/"
    ):
        for _ in in_parallel(lambda image: _put(stage, image), missing, noun="image"):
            pass
    return len(missing), len(by_name) - len(missing)


def check_inputs(stage: BatchStage, names: Sequence[str]) -> None:
    """Check that the images of a run that is continued have not expired.

    Raises:
        ToolError: one has.
    """
    with slow_step("List the images that are there"):
        present = _names_since(stage, datetime.min.replace(tzinfo=UTC))
    expired = len(set(names) - present)
    if expired:
        raise ToolError(
            f"Expired: {counted(expired, 'image')} without a result (batch.retention_days = "
            f"{stage.settings.batch.retention_days}). Begin again with SRC= and another DST=."
        )


def _names_since(stage: BatchStage, earliest: datetime) -> set[str]:
    """Return the names of the images in the stage's bucket that are not older than a time."""
    pages = stage.client("s3").get_paginator("list_objects_v2")
    return {
        each["Key"].rpartition("/")[2]
        for page in pages.paginate(Bucket=stage.bucket, Prefix=f"{BATCH_INPUT_PREFIX}/")
        for each in page.get("Contents", [])
        if each["LastModified"] >= earliest
    }


def _put(stage: BatchStage, image: Image) -> None:
    key = f"{BATCH_INPUT_PREFIX}/{image.name}"
    if isinstance(image.place, S3Uri):
        _copy(stage, image, image.place, key)
        return
    put(stage.client("s3"), stage.bucket, Upload(file=image.place, key=key, sha256=str(image.name)))


def _copy(stage: BatchStage, image: Image, place: S3Uri, key: str) -> None:
    try:
        stage.client("s3").copy_object(
            Bucket=stage.bucket,
            Key=key,
            CopySource={"Bucket": place.bucket, "Key": place.key},
            CopySourceIfMatch=image.etag,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _CHANGED:
            raise
        raise ToolError(
            f"{printable(str(place))} was replaced or deleted while it was copied: "
            "run the same command again."
        ) from error
