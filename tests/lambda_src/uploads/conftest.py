"""Uploaded images, with the function's own client of S3 and a stand-in for S3."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lambda_src.conftest import Proxy
from tests.lambda_src.images import jpeg
from tests.lambda_src.uploads.s3_server import S3Server, StoredImage

BUCKET = "whippet-test-uploads"
KEY = "uploads/0123456789abcdef0123456789abcdef"
MAX_BYTES = 9_000_000


def large_jpeg(byte_count: int, width: int = 640, height: int = 480, **options: Any) -> bytes:
    """A JPEG of so many bytes: what follows the header is not decoded here."""
    start = jpeg(width, height, **options)
    return start + bytes(byte_count - len(start))


@pytest.fixture
def s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def uploads(proxy: Proxy, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The function in a deployment that takes uploads."""
    monkeypatch.setenv("UPLOADS_BUCKET", BUCKET)
    monkeypatch.setenv("UPLOADS_MAX_BYTES", str(MAX_BYTES))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
    return proxy


def store(s3: S3Server, body: bytes, content_type: str = "image/jpeg", key: str = KEY) -> str:
    """Upload an image; return its path."""
    path = f"/{BUCKET}/{key}"
    s3.objects[path] = StoredImage(body, content_type)
    return path
