"""A prefix of S3 as the source of a run: its objects, which S3 copies to the stage's bucket."""

import hashlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from tools.aws import is_denied
from tools.batch.images import Image, Source, is_hidden, size_error
from tools.batch.stage import BatchStage
from tools.console import ToolError, step
from tools.s3_uri import S3Uri


def scan_prefix(stage: BatchStage, source: S3Uri) -> Source:
    """List the objects below a prefix; the folder markers of S3's console are none.

    Args:
        stage: whose settings limit the size of an image.
        source: without a slash at the end.

    Raises:
        ToolError: its bucket does not exist, or may not be listed.
    """
    folder = f"{source.key}/"
    with step(f"List {source}/"):
        found = [
            each
            for each in _objects(stage.client("s3"), source, folder)
            if not each["Key"].endswith("/")
        ]
    images, hidden = [], []
    for each in found:
        key = each["Key"].removeprefix(folder)
        if is_hidden(key):
            hidden.append(key)
        else:
            images.append(_image(stage, source.bucket, key, each))
    return Source(images=images, hidden=hidden)


def _objects(s3: Any, source: S3Uri, folder: str) -> Iterator[dict[str, Any]]:
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=source.bucket, Prefix=folder
        ):
            yield from page.get("Contents", [])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            raise ToolError(
                f"SRC={source}: there is no bucket {source.bucket}; expected one that has images "
                f"below {folder}. `aws s3 ls` lists your buckets."
            ) from error
        if is_denied(error):
            raise ToolError(
                f"SRC={source}: your credentials may not list the bucket {source.bucket}; expected "
                "s3:ListBucket on the bucket and s3:GetObject on its objects, or another SRC."
            ) from error
        raise


def _image(stage: BatchStage, bucket: str, key: str, found: dict[str, Any]) -> Image:
    place = S3Uri(bucket, found["Key"])
    error = size_error(stage, found["Size"])
    if error is not None:
        return Image(key=key, place=place, error=error)
    # An ETag need not be a hash of the content, but another content has another one.
    identity = "\n".join((*place, found["ETag"], str(found["Size"])))
    # Another hash than a file's, of which the content could be these words.
    name = hashlib.sha3_256(identity.encode()).hexdigest()
    return Image(key=key, place=place, name=name, etag=found["ETag"])
