"""Objects in memory, behind the methods of boto3's S3 client that jobs use."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody


class StandInS3:
    """The objects by bucket and key, and what roles may not do.

    Attributes:
        objects: contents by (bucket, key).
        denied: pairs of an action and the name of a role that may not do it.
        arguments: what uploads said beside the content, by (bucket, key).
        is_open: downloads wait until it is set.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.denied: set[tuple[str, str]] = set()
        self.arguments: dict[tuple[str, str], dict[str, str]] = {}
        self.is_open = threading.Event()
        self.is_open.set()
        self.lock = threading.Lock()

    def client(self, role_arn: str) -> "StandInClient":
        return StandInClient(self, role_arn.rpartition("/")[2])


class StandInClient:
    def __init__(self, store: StandInS3, role: str) -> None:
        self._store = store
        self._role = role

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self._allow("GetObject")
        self._store.is_open.wait()
        content = self._store.objects.get((Bucket, Key))
        if content is None:
            raise _error("NoSuchKey", "The specified key does not exist.", "GetObject")
        return {"Body": StreamingBody(io.BytesIO(content), len(content))}

    def get_paginator(self, operation: str) -> "StandInClient":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        self._allow("ListObjectsV2")
        with self._store.lock:
            found = sorted(
                (key, len(content))
                for (bucket, key), content in self._store.objects.items()
                if bucket == Bucket and key.startswith(Prefix)
            )
        yield {"Contents": [{"Key": key, "Size": size} for key, size in found]}

    def upload_file(
        self,
        file: str,
        bucket: str,
        key: str,
        ExtraArgs: dict[str, str],  # noqa: N803
    ) -> None:
        self._allow("PutObject")
        content = Path(file).read_bytes()
        with self._store.lock:
            self._store.objects[bucket, key] = content
            self._store.arguments[bucket, key] = ExtraArgs

    def _allow(self, operation: str) -> None:
        if (operation, self._role) in self._store.denied:
            raise _error("AccessDenied", "Access Denied", operation)


def _error(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)
