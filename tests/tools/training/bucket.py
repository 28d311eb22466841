"""S3 in memory, which checks what is uploaded as S3 does."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError


class FakeS3:
    """One bucket, or several with the same objects.

    Attributes:
        objects: bytes by key.
        written: keys in the order in which they were written.
        fails_at: the key whose upload fails.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: list[str] = []
        self.fails_at = ""
        self._lock = threading.Lock()

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **given: Any) -> Iterator[dict[str, Any]]:
        """Yield pages of one object each; one page without any."""
        found = sorted(key for key in self.objects if key.startswith(given["Prefix"]))
        yield from ({"Contents": [{"Key": key}]} for key in found)
        if not found:
            yield {}

    def head_object(self, **given: Any) -> dict[str, Any]:
        if given["Key"] not in self.objects:
            raise _error("404")
        digest = hashlib.sha256(self.objects[given["Key"]]).digest()
        return {"ChecksumSHA256": base64.b64encode(digest).decode()}

    def put_object(self, **given: Any) -> None:
        content = given["Body"].read()
        if base64.b64encode(hashlib.sha256(content).digest()).decode() != given["ChecksumSHA256"]:
            raise _error("BadDigest")
        if given["Key"].endswith(self.fails_at or "\n"):
            raise _error("SlowDown")
        with self._lock:
            self.objects[given["Key"]] = content
            self.written.append(given["Key"])


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Operation")
