"""An image by the key under which it was uploaded: what is read, in which order, and deleted."""

import json
import time
from typing import Any

import pytest

from classifier_proxy.uploads import bucket
from classifier_proxy.uploads.bucket import START_BYTES
from tests.lambda_src.conftest import Proxy, Response
from tests.lambda_src.images import extended_webp, jpeg_segment, png
from tests.lambda_src.stand_in import CLASSIFICATION, SageMakerRuntime, model_error, service_error
from tests.lambda_src.stand_in import respond as sagemaker_respond
from tests.lambda_src.uploads.conftest import BUCKET, KEY, MAX_BYTES, large_jpeg, store
from tests.lambda_src.uploads.s3_server import Fault, S3Server, break_off, end_early, refuse

SMALL = large_jpeg(1000)


def predict(proxy: Proxy, key: object = KEY, **members: object) -> Response:
    body = json.dumps({"s3": key, **members}).encode()
    return proxy.call(body, content_type="application/json")


def expect_error(response: Response, status: int, code: str) -> None:
    assert (response.status, response.body["error"]["code"]) == (status, code), response


def requested(s3: S3Server) -> list[str]:
    assert {path for _, path in s3.requests} <= {f"/{BUCKET}/{KEY}"}
    return s3.methods


@pytest.mark.parametrize(
    ("image", "content_type"),
    [
        (large_jpeg(MAX_BYTES), "image/jpeg"),
        (large_jpeg(START_BYTES + 1), "image/jpeg"),
        (SMALL, "image/jpeg"),
        # What it is, not what was said: the type is only one of those that may be uploaded.
        (png(640, 480) + bytes(5_000_000), "image/webp"),
    ],
    ids=["the largest", "just above what is read first", "a small one", "a PNG as a WebP"],
)
def test_an_upload_is_checked_then_read_classified_and_deleted(
    uploads: Proxy, s3: S3Server, runtime: SageMakerRuntime, image: bytes, content_type: str
) -> None:
    store(s3, image, content_type)

    response = predict(uploads, top_k=2)

    assert response.status == 200
    assert response.body["predictions"] == CLASSIFICATION["predictions"]
    [sent] = runtime.requests
    assert sent.body == image
    assert "top_k=2" in sent.headers["X-Amzn-SageMaker-Custom-Attributes"]
    assert requested(s3) == ["GET", "DELETE"]
    assert s3.objects == {}


def test_an_event_without_the_api_names_an_upload_too(
    uploads: Proxy, s3: S3Server, runtime: SageMakerRuntime
) -> None:
    store(s3, SMALL)
    assert uploads.call_event({"s3": KEY, "top_k": 2}).status == 200
    assert "top_k=2" in runtime.requests[0].headers["X-Amzn-SageMaker-Custom-Attributes"]


@pytest.mark.parametrize(
    "key",
    [
        "",
        KEY.upper(),
        f"/{KEY}",
        f"{KEY}0",
        KEY[:-1],
        f"{KEY}\n",
        f"{KEY}/../../training/model.tar.gz",
        "uploads/../uploads/0123456789abcdef0123456789ab",
        "uploads/%30123456789abcdef0123456789abcde",
        f"s3://{BUCKET}/{KEY}",
        f"s3://another-bucket/{KEY}",
        f"arn:aws:s3:::another-bucket/{KEY}",
        f"another-bucket/{KEY}",
        f"https://{BUCKET}.s3.us-east-1.amazonaws.com/{KEY}",
        "uploads/\uff10123456789abcdef0123456789abcde",
    ],
)
def test_another_pattern_or_bucket_is_refused_before_anything_is_read(
    uploads: Proxy, s3: S3Server, runtime: SageMakerRuntime, key: str
) -> None:
    expect_error(predict(uploads, key), 400, "invalid_upload_key")
    assert s3.requests == []
    assert runtime.requests == []


@pytest.mark.parametrize(
    "document",
    [
        {"s3": None},
        {"s3": [KEY]},
        {"s3": {"bucket": "another-bucket", "key": KEY}},
        {"s3": KEY, "bucket": "another-bucket"},
        {"s3": KEY, "image": "AAAA"},
        {"s3": KEY, "url": "https://images.example.com/1.jpg"},
    ],
    ids=str,
)
def test_other_members_are_refused(uploads: Proxy, s3: S3Server, document: Any) -> None:
    response = uploads.call(json.dumps(document).encode(), content_type="application/json")
    expect_error(response, 400, "invalid_request")
    assert s3.requests == []


def test_a_wrong_parameter_costs_no_upload(uploads: Proxy, s3: S3Server) -> None:
    store(s3, SMALL)
    expect_error(predict(uploads, top_k=0), 400, "invalid_top_k")
    assert s3.requests == []
    assert predict(uploads, top_k=2).status == 200


@pytest.mark.parametrize(
    ("image", "content_type", "status", "code"),
    [
        (large_jpeg(MAX_BYTES + 1), "image/jpeg", 413, "payload_too_large"),
        (SMALL, "application/zip", 415, "unsupported_media_type"),
        (SMALL, "binary/octet-stream", 415, "unsupported_media_type"),
    ],
    ids=["size", "type", "no type"],
)
def test_another_size_or_type_is_refused_before_anything_is_read(
    uploads: Proxy,
    s3: S3Server,
    runtime: SageMakerRuntime,
    image: bytes,
    content_type: str,
    status: int,
    code: str,
) -> None:
    store(s3, image, content_type)
    s3.sent_bytes = 0
    expect_error(predict(uploads), status, code)
    assert requested(s3) == ["GET", "DELETE"]
    assert runtime.requests == []


@pytest.mark.parametrize(
    ("image", "status", "code"),
    [
        (b"PK\x03\x04" + bytes(5_000_000), 415, "unsupported_image"),
        (large_jpeg(5_000_000, 8000, 7000), 413, "image_too_large"),
        (large_jpeg(5_000_000, 6000, 5000, frame=0xC2), 413, "image_too_large"),
        (png(5001, 5000) + bytes(5_000_000), 413, "image_too_large"),
        (png(70_000, 2) + bytes(5_000_000), 413, "image_too_large"),
        (extended_webp(6000, 6000) + bytes(5_000_000), 413, "image_too_large"),
        (large_jpeg(5_000_000, 0, 480), 422, "unreadable_image"),
    ],
    ids=["zip", "pixels", "progressive", "png", "side", "webp", "no side"],
)
def test_a_header_is_refused_before_the_rest_is_read(
    uploads: Proxy, s3: S3Server, runtime: SageMakerRuntime, image: bytes, status: int, code: str
) -> None:
    store(s3, image)
    s3.sent_bytes = START_BYTES
    expect_error(predict(uploads), status, code)
    assert requested(s3) == ["GET", "DELETE"]
    assert runtime.requests == []


def test_a_header_that_is_longer_than_what_is_read_first_passes(
    uploads: Proxy, s3: S3Server, runtime: SageMakerRuntime
) -> None:
    profile = [jpeg_segment(0xE2, bytes(65_000))] * 3
    image = b"\xff\xd8" + b"".join(profile) + large_jpeg(5_000_000)[2:]
    store(s3, image)
    assert predict(uploads).status == 200
    assert runtime.requests[0].body == image


def test_what_only_the_whole_image_shows_is_refused_and_deleted(
    uploads: Proxy, s3: S3Server, runtime: SageMakerRuntime
) -> None:
    store(s3, large_jpeg(1_000_000) + 128 * b"\xff\xda")
    expect_error(predict(uploads), 422, "unreadable_image")
    assert s3.methods == ["GET", "DELETE"]
    assert runtime.requests == []


def test_an_upload_without_bytes_is_refused(uploads: Proxy, s3: S3Server) -> None:
    store(s3, b"")
    expect_error(predict(uploads), 400, "empty_body")
    assert requested(s3) == ["GET"]


def test_a_key_is_used_once(uploads: Proxy, s3: S3Server) -> None:
    store(s3, SMALL)
    assert predict(uploads).status == 200
    expect_error(predict(uploads), 404, "upload_not_found")


def test_an_image_that_the_model_refuses_is_deleted(
    uploads: Proxy, s3: S3Server, runtime: SageMakerRuntime
) -> None:
    store(s3, SMALL)
    refusal = {"code": "unreadable_image", "message": "It ends early."}
    runtime.script = [model_error(422, refusal)]
    expect_error(predict(uploads), 422, "unreadable_image")
    assert s3.objects == {}


@pytest.mark.parametrize(
    "failure",
    [
        service_error(503, "ServiceUnavailable"),
        service_error(400, "ThrottlingException"),
        model_error(500, "boom"),
        model_error(400, {"code": "logits_unavailable", "message": "No logits."}),
        sagemaker_respond(200, b"<html>", "text/html"),
    ],
    ids=["unavailable", "throttled", "failed", "no logits", "html"],
)
def test_an_image_stays_after_what_is_not_its_fault(
    uploads: Proxy, s3: S3Server, runtime: SageMakerRuntime, failure: Any
) -> None:
    store(s3, SMALL)
    runtime.script = [failure, *runtime.script]
    assert predict(uploads).status != 200
    assert "DELETE" not in s3.methods
    assert predict(uploads).status == 200
    assert s3.objects == {}


@pytest.mark.parametrize("number", [0, 1])
def test_an_image_that_another_request_deletes_meanwhile_is_missing(
    uploads: Proxy, s3: S3Server, number: int
) -> None:
    store(s3, large_jpeg(1_000_000))
    s3.before[number] = s3.objects.clear
    if number == 1:  # it was there when S3 refused it
        s3.faults[0] = refuse(403, "AccessDenied")
    expect_error(predict(uploads), 404, "upload_not_found")


@pytest.mark.parametrize(
    ("faults", "status", "code"),
    [
        ([refuse(404, "NoSuchKey")], 404, "upload_not_found"),
        ([refuse(403, "AccessDenied")], 500, "uploads_access_denied"),
        ([refuse(403, "AccessDenied"), refuse(404, "NoSuchKey")], 404, "upload_not_found"),
        ([refuse(403, "AccessDenied"), refuse(503, "SlowDown")], 503, "uploads_unavailable"),
        # A response to HEAD names no code.
        ([refuse(403, "AccessDenied"), refuse(400, "?")], 503, "uploads_unavailable"),
        ([refuse(400, "ExpiredToken")], 500, "uploads_access_denied"),
        ([refuse(503, "SlowDown")], 503, "uploads_unavailable"),
        ([refuse(500, "InternalError")], 503, "uploads_unavailable"),
        ([break_off], 503, "uploads_unavailable"),
        ([end_early], 503, "uploads_unavailable"),
    ],
)
def test_a_failure_of_s3_is_not_one_of_the_image(
    uploads: Proxy, s3: S3Server, faults: list[Fault], status: int, code: str
) -> None:
    store(s3, large_jpeg(1_000_000))
    s3.faults = dict(enumerate(faults))
    response = predict(uploads)
    expect_error(response, status, code)
    assert response.headers.get("Retry-After") == ("1" if status == 503 else None)
    assert "DELETE" not in s3.methods


def test_reading_ends_in_time(
    uploads: Proxy, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "READ_SECONDS", 0.2)
    store(s3, large_jpeg(1_000_000))
    s3.before[0] = lambda: time.sleep(0.5)
    began = time.monotonic()
    expect_error(predict(uploads), 503, "uploads_unavailable")
    assert time.monotonic() - began < 0.45


def test_a_deletion_that_fails_fails_no_request(
    uploads: Proxy, s3: S3Server, capsys: pytest.CaptureFixture[str]
) -> None:
    store(s3, SMALL)
    s3.faults[1] = refuse(503, "SlowDown")
    assert predict(uploads).status == 200
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [warning] = [line for line in lines if line.get("level") == "WARNING"]
    assert warning["message"] == "uploaded image not deleted"


def test_a_deployment_without_uploads_says_so(proxy: Proxy) -> None:
    expect_error(predict(proxy), 400, "uploads_disabled")
    response = proxy.call(b"{}", content_type="application/json", path="/uploads")
    expect_error(response, 404, "route_not_found")


def test_messages_name_uploads_where_there_are_any(uploads: Proxy) -> None:
    message = predict(uploads, key=None, extra=1).body["error"]["message"]
    assert '{"image": "<base64>"} or {"s3": "uploads/..."}; the only other members' in message
    message = uploads.call_event({"Records": []}).body["error"]["message"]
    assert '{"image": "<base64>"}, {"s3": "uploads/..."} or that of an API Gateway' in message
