"""Artifacts in S3 under the sha256 of their bytes."""

import base64
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.names import MODELS_BUCKET_OUTPUT
from tools.aws import find_stack, is_denied, is_missing_object_or_bucket, stack_outputs
from tools.console import ToolError
from tools.s3_objects import stored_sha256

_MAX_PUT_BYTES: Final = 5 * 10**9  # of one request; protobuf ends an ONNX file at 2 GiB


def models_bucket(cloudformation: Any, stage_name: str) -> str | None:
    """Return the name of a stage's bucket of models; None if its storage stack is not deployed.

    Args:
        cloudformation: boto3 client.
        stage_name: such as whippet-prod.

    Raises:
        ToolError: the storage stack is of a release that did not say the bucket's name.
    """
    stack = f"{stage_name}-storage"
    described = find_stack(cloudformation, stack)
    if described is None:
        return None
    bucket = stack_outputs(described).get(MODELS_BUCKET_OUTPUT)
    if bucket is None:
        raise ToolError(
            f"The stack {stack} ({described['StackStatus']}) has no output {MODELS_BUCKET_OUTPUT}: "
            "wait for its deployment, or deploy it with this release first."
        )
    return bucket


def upload(s3: Any, archive: Path, bucket: str, key: str, *, sha256: str) -> bool:
    """Upload an artifact unless it is there; return whether it was uploaded.

    Args:
        s3: boto3 client.
        archive: the artifact.
        bucket: name of the bucket.
        key: the object's key.
        sha256: of the artifact in hexadecimal; S3 refuses other bytes.

    Raises:
        ToolError: the artifact is too large.
    """
    if stored_sha256(s3, bucket, key) == sha256:
        return False
    size = archive.stat().st_size
    if size > _MAX_PUT_BYTES:
        raise ToolError(f"{archive} has {size} bytes, expected at most {_MAX_PUT_BYTES}.")
    with archive.open("rb") as file:
        s3.put_object(Bucket=bucket, Key=key, Body=file, ChecksumSHA256=_base64(sha256))
    return True


def copy(
    s3: Any, source_bucket: str, source_key: str, bucket: str, key: str, *, sha256: str
) -> None:
    """Copy an artifact inside of S3 and check the copy's sha256.

    Args:
        s3: boto3 client of the target's region.
        source_bucket: name of the source's bucket.
        source_key: the source's key.
        bucket: name of the target's bucket.
        key: the target's key.
        sha256: of the artifact in hexadecimal.

    Raises:
        ToolError: the source is missing, may not be read, or has other bytes.
    """
    source = f"s3://{source_bucket}/{source_key}"
    try:
        s3.copy_object(
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": source_bucket, "Key": source_key},
            ChecksumAlgorithm="SHA256",
        )
    except ClientError as error:
        if is_missing_object_or_bucket(error):
            raise ToolError(
                f"The lock's source {source} does not exist: promote the model again."
            ) from error
        if not is_denied(error):
            raise
        raise ToolError(
            f"{source} may not be read, or s3://{bucket}/{key} not be written: {error}. The stage "
            "of the source must name the copying role under model_readers (docs/delivery.md)."
        ) from error
    actual = stored_sha256(s3, bucket, key)
    if actual != sha256:
        raise ToolError(
            f"{source} has the sha256 {actual}, expected {sha256} as the lock states: promote the "
            "model again."
        )


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
