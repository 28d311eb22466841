"""Which requests for S3 the plain-http port passes on."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from local_cloud.presigned_uploads import is_presigned_upload
from tests.presigned import presigned

PORT = 4580
BUCKET = "whippet-local-uploads-1a2b"
KEY = f"uploads/{'0f' * 16}"
HEADERS = {"host": f"127.0.0.1:{PORT}", "content-type": "image/png", "content-length": "4"}


def upload(bucket: str = BUCKET, key: str = KEY, operation: str = "put_object") -> str:
    return presigned(PORT, bucket, key, operation)


def passes(address: str, method: str = "PUT", **headers: str) -> bool:
    parts = urlsplit(address)
    named = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    scope: dict[str, Any] = {
        "method": method,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    return is_presigned_upload(scope, {BUCKET, "another-uploads-bucket"}, PORT)


def test_a_presigned_upload_passes_with_and_without_the_token_of_a_role() -> None:
    assert passes(upload())
    assert passes(f"{upload()}&X-Amz-Security-Token=token")
    assert passes(upload(bucket="another-uploads-bucket"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "put"])
def test_no_other_method_does(method: str) -> None:
    assert not passes(upload(), method)


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("whippet-local-models-1a2b", KEY),
        (BUCKET, "training/model.tar.gz"),
        (BUCKET, f"{KEY}0"),
        (BUCKET, f"{KEY}/more"),
        (BUCKET, KEY.upper()),
        (BUCKET, f"uploads/{'%30f' * 16}"),
    ],
)
def test_no_other_bucket_or_key_does(bucket: str, key: str) -> None:
    assert not passes(upload(bucket=bucket, key=key))


@pytest.mark.parametrize(
    "headers",
    [
        {"x_amz_copy_source": f"/models/{KEY}"},
        {"x_amz_acl": "public-read"},
        {"authorization": "AWS4-HMAC-SHA256 Credential=123456789012/..."},
        {"host": f"{BUCKET}.s3.localhost:{PORT}"},
        {"host": "127.0.0.1"},
    ],
    ids=str,
)
def test_no_other_header_does(headers: dict[str, str]) -> None:
    assert not passes(upload(), **headers)


@pytest.mark.parametrize("operation", ["get_object", "put_object_acl", "create_multipart_upload"])
def test_no_other_operation_does(operation: str) -> None:
    assert not passes(upload(operation=operation))


def test_no_address_without_a_signature_or_with_more_does() -> None:
    address = upload()
    assert not passes(address.partition("?")[0])
    assert not passes(f"{address}&tagging")
    assert not passes(f"{address}&X-Amz-Expires=600000")
    assert not passes(address.replace("content-length%3B", ""))
