"""Objects of S3: their sha256, and uploads of many files, several at a time."""

import base64
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from tools.aws import is_missing_object_or_bucket
from tools.console import ToolError
from tools.parallel import in_parallel
from tools.terminal import printable

_CHANGED: Final = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"}
_READ_BYTES: Final = 1 << 20


def stored_sha256(s3: Any, bucket: str, key: str) -> str | None:
    """Return the sha256 of an object in hexadecimal; None if there is no such object.

    S3 has it where the object was written with it. Otherwise the object is read.

    Args:
        s3: boto3 client.
        bucket: name of the bucket.
        key: the object's key.
    """
    try:
        head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if not is_missing_object_or_bucket(error):
            raise
        return None
    # That of a multipart upload is a hash of the parts' hashes.
    checksum = head.get("ChecksumSHA256")
    if checksum and "-" not in checksum and head.get("ChecksumType", "FULL_OBJECT") != "COMPOSITE":
        return base64.b64decode(checksum).hex()
    digest = hashlib.sha256()
    for block in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(_READ_BYTES):
        digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file and where it goes.

    Attributes:
        file: its path.
        key: of the object.
        sha256: of the file in hexadecimal; S3 refuses other bytes.
    """

    file: Path
    key: str
    sha256: str


def upload_missing(
    s3: Any, bucket: str, uploads: Sequence[Upload], present: Collection[str]
) -> int:
    """Upload the files that are not in a bucket, or are there with other bytes.

    Args:
        s3: boto3 client.
        bucket: name of the bucket.
        uploads: the files.
        present: the keys that are in the bucket.

    Returns:
        The number of files that were uploaded.

    Raises:
        ToolError: a file has changed since its sha256 was computed.
    """
    return sum(in_parallel(lambda each: _upload(s3, bucket, each, present), uploads, noun="file"))


def existing_keys(s3: Any, bucket: str, prefix: str) -> set[str]:
    """Return the keys of a bucket's objects below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {each["Key"] for page in pages for each in page.get("Contents", [])}


def _upload(s3: Any, bucket: str, upload: Upload, present: Collection[str]) -> bool:
    if upload.key in present and stored_sha256(s3, bucket, upload.key) == upload.sha256:
        return False
    put(s3, bucket, upload)
    return True


def put(s3: Any, bucket: str, upload: Upload) -> None:
    """Upload one file.

    Args:
        s3: boto3 client.
        bucket: name of the bucket.
        upload: the file.

    Raises:
        ToolError: the file has changed since its sha256 was computed.
    """
    checksum = base64.b64encode(bytes.fromhex(upload.sha256)).decode()
    try:
        with upload.file.open("rb") as content:
            s3.put_object(Bucket=bucket, Key=upload.key, Body=content, ChecksumSHA256=checksum)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _CHANGED:
            raise
        raise ToolError(
            f"{printable(str(upload.file))} was changed while it was uploaded: "
            "run the same command again."
        ) from error
