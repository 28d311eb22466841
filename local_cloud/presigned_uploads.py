"""The only requests for S3 on the plain-http port: presigned uploads of one image each."""

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from local_cloud.asgi import Message

_PATH = re.compile(rb"/(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/uploads/[0-9a-f]{32}")
# Of a presigned PutObject; another one, such as `acl`, would make it another operation.
_PARAMETERS = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
]
_OF_A_ROLE = "X-Amz-Security-Token"
_SIGNED_HEADERS = "content-length;content-type;host"


def is_presigned_upload(scope: Message, buckets: Collection[str], port: int) -> bool:
    """Return whether a request is a presigned PUT of an image to a bucket for uploads.

    S3 checks the signature, and that it has not expired. S3 refuses headers of its own that are not
    signed, which MiniStack does not, such as `x-amz-copy-source`.

    Args:
        scope: the request's ASGI scope.
        buckets: the names of the buckets.
        port: the port of the addresses, which their host names.
    """
    path = _PATH.fullmatch(scope["raw_path"])
    if scope["method"] != "PUT" or path is None or path["bucket"].decode() not in buckets:
        return False
    headers: dict[bytes, Any] = dict(scope["headers"])
    if b"authorization" in headers or any(name.startswith(b"x-amz-") for name in headers):
        return False
    if headers.get(b"host") != b"127.0.0.1:%d" % port:
        return False
    parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return (
        sorted(name for name, _ in parameters if name != _OF_A_ROLE) == _PARAMETERS
        and dict(parameters)["X-Amz-SignedHeaders"] == _SIGNED_HEADERS
    )
