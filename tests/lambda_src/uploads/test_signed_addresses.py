"""POST /uploads: the address that a caller gets, and what gets none."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from classifier_proxy.endpoint.clients import session
from classifier_proxy.uploads.bucket import EXPIRY_SECONDS
from tests.lambda_src.conftest import Proxy, Response
from tests.lambda_src.uploads.conftest import BUCKET, MAX_BYTES
from tests.lambda_src.uploads.s3_server import S3Server

JSON = "application/json"


def sign(proxy: Proxy, document: object, content_type: str | None = JSON, **parts: Any) -> Response:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return proxy.call(body, content_type=content_type, path="/uploads", **parts)


def wanted(
    content_type: object = "image/jpeg", content_length: object = 5_000_000
) -> dict[str, object]:
    return {"content_type": content_type, "content_length": content_length}


@pytest.fixture(autouse=True)
def fresh_session() -> Iterator[None]:
    """The session keeps the region and the credentials that it finds first."""
    session.cache_clear()
    yield
    session.cache_clear()


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
@pytest.mark.parametrize(
    ("content_type", "content_length"),
    [("image/jpeg", MAX_BYTES), ("image/png", 1), ("image/webp", 4_194_305)],
)
def test_type_and_length_are_signed_for_five_minutes_at_the_regional_address(
    uploads: Proxy,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    region: str,
    content_type: str,
    content_length: int,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    response = sign(uploads, wanted(content_type, content_length))

    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    body = response.body
    assert body.keys() == {"url", "key", "headers", "expires_in_seconds", "request_id"}
    assert re.fullmatch(r"uploads/[0-9a-f]{32}", body["key"])
    assert body["expires_in_seconds"] == EXPIRY_SECONDS == 300
    assert body["headers"] == {
        "Content-Type": content_type, "Content-Length": str(content_length),
    }  # fmt: skip
    address = urlsplit(body["url"])
    assert address.scheme == "https"
    assert address.netloc == f"{BUCKET}.s3.{region}.amazonaws.com"
    assert address.path == f"/{body['key']}"
    query = {name: value for name, [value] in parse_qs(address.query).items()}
    assert query.keys() == {
        f"X-Amz-{name}"
        for name in (
            "Algorithm", "Credential", "Date", "Expires", "Security-Token", "Signature",
            "SignedHeaders",
        )
    }  # fmt: skip
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-SignedHeaders"].split(";") == ["content-length", "content-type", "host"]
    assert query["X-Amz-Expires"] == "300"
    assert f"/{region}/s3/aws4_request" in query["X-Amz-Credential"]
    assert s3.requests == [], "signing is no request"


def test_no_key_is_given_twice(uploads: Proxy) -> None:
    keys = {sign(uploads, wanted()).body["key"] for _ in range(50)}
    assert len(keys) == 50


def test_the_local_cloud_gets_another_address(
    uploads: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPLOADS_ENDPOINT_URL", "http://127.0.0.1:4580")
    body = sign(uploads, wanted()).body
    assert body["url"].startswith(f"http://127.0.0.1:4580/{BUCKET}/{body['key']}?X-Amz-")


@pytest.mark.parametrize(
    ("document", "content_type", "status", "code"),
    [
        (b"", JSON, 400, "empty_body"),
        (b"{", JSON, 400, "invalid_json"),
        (b"[" * 100, JSON, 400, "invalid_request"),
        (b"\xff\xd8\xff\xe0", JSON, 400, "invalid_json"),
        ([], JSON, 400, "invalid_request"),
        ({}, JSON, 400, "invalid_request"),
        ({"content_type": "image/jpeg"}, JSON, 400, "invalid_request"),
        ({**wanted(), "key": "uploads/mine"}, JSON, 400, "invalid_request"),
        (wanted(content_length=0), JSON, 400, "invalid_request"),
        (wanted(content_length=-1), JSON, 400, "invalid_request"),
        (wanted(content_length=1.5), JSON, 400, "invalid_request"),
        (wanted(content_length="5000000"), JSON, 400, "invalid_request"),
        (wanted(content_length=True), JSON, 400, "invalid_request"),
        (wanted(content_length=None), JSON, 400, "invalid_request"),
        (wanted(content_length=MAX_BYTES + 1), JSON, 413, "payload_too_large"),
        (wanted(content_length=10**400), JSON, 413, "payload_too_large"),
        (wanted("image/gif"), JSON, 415, "unsupported_media_type"),
        (wanted("image/jpeg; charset=x"), JSON, 415, "unsupported_media_type"),
        (wanted(["image/jpeg"]), JSON, 415, "unsupported_media_type"),
        (wanted(), "image/jpeg", 415, "unsupported_media_type"),
        (wanted(), None, 415, "unsupported_media_type"),
    ],
    ids=str,
)
def test_what_gets_no_address(
    uploads: Proxy, document: object, content_type: str | None, status: int, code: str
) -> None:
    response = sign(uploads, document, content_type)
    assert (response.status, response.body["error"]["code"]) == (status, code)
    assert "url" not in response.body


def test_a_query_gets_no_address(uploads: Proxy) -> None:
    assert sign(uploads, wanted(), query=[("top_k", "1")]).status == 400


def test_no_credentials_are_the_operators_fault(
    uploads: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    response = sign(uploads, wanted())
    assert (response.status, response.body["error"]["code"]) == (500, "uploads_access_denied")


def test_the_address_is_not_logged(uploads: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    body = sign(uploads, wanted()).body
    printed = capsys.readouterr().out
    assert "request succeeded" in printed
    for secret in (body["key"], "X-Amz-Signature", "made-up"):
        assert secret not in printed
