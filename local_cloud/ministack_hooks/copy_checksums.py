"""The checksum of a copied object, which S3's CopyObject returns.

MiniStack reads the algorithm from a header that CopyObject does not have, and returns no checksum.
"""

from typing import Any
from xml.sax.saxutils import escape

from ministack.services import s3

_END = b"</CopyObjectResult>"


def install_copy_checksums() -> None:
    """Compute the checksum that a request names (`x-amz-checksum-algorithm`), and return it."""
    original = s3._copy_object

    def copy(bucket: str, key: str, headers: dict[str, str]) -> Any:
        algorithm = headers.get("x-amz-checksum-algorithm")
        if algorithm:
            headers = {**headers, "x-amz-sdk-checksum-algorithm": algorithm}
        status, response_headers, body = original(bucket, key, headers)
        if status != 200:
            return status, response_headers, body
        checksums = s3._buckets[bucket]["objects"][key].get("checksums") or {}
        if algorithm:
            # A copy has one checksum, that of the algorithm which the request names.
            checksums = {algorithm: checksums[algorithm]}
            s3._buckets[bucket]["objects"][key]["checksums"] = checksums
        return status, response_headers, _with_checksums(body, checksums)

    s3._copy_object = copy


def _with_checksums(body: bytes, checksums: dict[str, str]) -> bytes:
    members = "".join(
        f"<Checksum{name}>{escape(value)}</Checksum{name}>" for name, value in checksums.items()
    )
    if members:
        members += "<ChecksumType>FULL_OBJECT</ChecksumType>"
    return body.replace(_END, members.encode() + _END)
