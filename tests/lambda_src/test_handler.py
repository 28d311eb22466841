import base64
import gc
import json
from typing import Any

import pytest

from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.events import REQUEST_ID, proxy_event
from tests.lambda_src.images import jpeg, lossy_webp, png
from tests.lambda_src.stand_in import CLASSIFICATION, SageMakerRuntime, service_error

PNG = png(640, 480)
WEBP = lossy_webp(640, 480)
MAX_BYTES = 4 * 1024 * 1024


def json_body(document: Any) -> bytes:
    return json.dumps(document).encode()


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode()


@pytest.mark.parametrize(
    ("image", "content_type"),
    [(JPEG, "image/jpeg"), (PNG, "image/png"), (WEBP, "image/webp")],
)
def test_a_raw_image_is_passed_on_and_the_response_is_returned(
    proxy: Proxy, runtime: SageMakerRuntime, image: bytes, content_type: str
) -> None:
    response = proxy.call(image, content_type=content_type)

    assert response.status == 200
    assert response.headers == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert response.body == {**CLASSIFICATION, "request_id": REQUEST_ID}
    [request] = runtime.requests
    assert request.path == "/endpoints/whippet-test/invocations"
    assert request.body == image
    assert request.headers["Content-Type"] == content_type
    assert request.headers["X-Amzn-SageMaker-Custom-Attributes"] == (
        f"measurements=true,request_id={REQUEST_ID}"
    )
    assert "/sagemaker/aws4_request" in request.headers["Authorization"]


@pytest.mark.parametrize(
    ("request_id", "sent"),
    [
        ("c6af9ac6-7b61-11e6", ",request_id=c6af9ac6-7b61-11e6"),
        ("JKJaXmPLvHcESHA=", ",request_id=JKJaXmPLvHcESHA="),
        # API Gateway takes the id from the caller's header, if there is one.
        ("x,top_k=1", ""),
        ("two words", ""),
        ("é", ""),
        ("a" * 129, ""),
    ],
)
def test_the_id_of_a_request_adds_no_attribute_of_its_own(
    proxy: Proxy, runtime: SageMakerRuntime, request_id: str, sent: str
) -> None:
    event = proxy_event(JPEG)
    event["requestContext"]["requestId"] = request_id

    response = proxy.call_event(event)

    assert (response.status, response.body["request_id"]) == (200, request_id)
    [request] = runtime.requests
    assert request.headers["X-Amzn-SageMaker-Custom-Attributes"] == f"measurements=true{sent}"


@pytest.mark.parametrize(("body", "status"), [(JPEG, 200), (b"", 400)])
def test_every_response_names_the_allowed_origin(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy, body: bytes, status: int
) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGIN", "https://app.example.com")

    response = proxy.call(body)

    assert response.status == status
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "Access-Control-Expose-Headers" not in response.headers, "there is nothing to expose"


def test_a_page_of_the_allowed_origin_can_read_when_to_try_again(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy, runtime: SageMakerRuntime
) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGIN", "https://app.example.com")
    runtime.script = [service_error(503, "ServiceUnavailable")]

    response = proxy.call()

    assert response.headers["Retry-After"] == "5"
    assert response.headers["Access-Control-Expose-Headers"] == "Retry-After"


def test_without_an_allowed_origin_there_is_no_word_of_one(
    proxy: Proxy, runtime: SageMakerRuntime
) -> None:
    runtime.script = [service_error(503, "ServiceUnavailable")]

    assert proxy.call().headers == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Retry-After": "5",
    }


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", " application/json ;x"]
)
def test_an_image_in_json_is_decoded(
    proxy: Proxy, runtime: SageMakerRuntime, content_type: str
) -> None:
    response = proxy.call(json_body({"image": encoded(PNG)}), content_type=content_type)

    assert response.status == 200
    assert runtime.requests[0].body == PNG
    assert runtime.requests[0].headers["Content-Type"] == "image/png"


def test_json_that_api_gateway_treats_as_binary_is_decoded_too(
    proxy: Proxy, runtime: SageMakerRuntime
) -> None:
    event = proxy_event(b"")
    event["headers"]["Content-Type"] = "application/json"
    event["body"] = encoded(json_body({"image": encoded(PNG)}))
    event["isBase64Encoded"] = True

    assert proxy.call_event(event).status == 200
    assert runtime.requests[0].body == PNG


def test_the_bytes_decide_the_format_not_the_header(
    proxy: Proxy, runtime: SageMakerRuntime
) -> None:
    assert proxy.call(JPEG, content_type="image/png").status == 200
    assert runtime.requests[0].headers["Content-Type"] == "image/jpeg"


def test_an_image_of_exactly_4_mib_is_accepted(proxy: Proxy, runtime: SageMakerRuntime) -> None:
    image = JPEG.ljust(MAX_BYTES, b"\0")

    assert proxy.call(image).status == 200
    in_json = json_body({"image": encoded(image)})
    assert proxy.call(in_json, content_type="application/json").status == 200
    assert [len(request.body) for request in runtime.requests] == [MAX_BYTES] * 2


TOO_LARGE = JPEG.ljust(MAX_BYTES + 1, b"\0")
BAD_REQUESTS: list[tuple[str, Any, str | None, list[tuple[str, str]], int, str]] = [
    ("no content type", JPEG, None, [], 415, "unsupported_media_type"),
    ("another content type", JPEG, "image/gif", [], 415, "unsupported_media_type"),
    ("a form", b"a=b", "application/x-www-form-urlencoded", [], 415, "unsupported_image"),
    ("no body", b"", "image/jpeg", [], 400, "empty_body"),
    ("no json body", b"", "application/json", [], 400, "empty_body"),
    ("an empty image in json", {"image": ""}, "application/json", [], 400, "empty_body"),
    ("text for an image", b"hello", "image/jpeg", [], 415, "unsupported_image"),
    ("a GIF", b"GIF89a" + bytes(20), "image/png", [], 415, "unsupported_image"),
    ("RIFF, but sound", b"RIFF\0\0\0\0WAVEfmt ", "image/webp", [], 415, "unsupported_image"),
    (
        "text in json",
        {"image": encoded(b"hello")},
        "application/json",
        [],
        415,
        "unsupported_image",
    ),
    ("too large", TOO_LARGE, "image/jpeg", [], 413, "payload_too_large"),
    (
        "too large in json",
        {"image": encoded(TOO_LARGE)},
        "application/json",
        [],
        413,
        "payload_too_large",
    ),
    ("too many pixels", jpeg(10_001, 5000), "image/jpeg", [], 413, "image_too_large"),
    ("too many scans", JPEG + b"\xff\xda" * 128, "image/jpeg", [], 422, "unreadable_image"),
    ("a part of a header", PNG[:20], "image/png", [], 422, "unreadable_image"),
    (
        "no pixels in json",
        {"image": encoded(png(0, 9))},
        "application/json",
        [],
        422,
        "unreadable_image",
    ),
    ("broken json", b'{"image": ', "application/json", [], 400, "invalid_json"),
    ("deep json", b"[" * 100_000, "application/json", [], 400, "invalid_request"),
    ("a long number", b'{"image": ' + b"1" * 5000, "application/json", [], 400, "invalid_json"),
    ("a json list", b"[]", "application/json", [], 400, "invalid_request"),
    ("json null", b"null", "application/json", [], 400, "invalid_request"),
    ("another key", {"photo": ""}, "application/json", [], 400, "invalid_request"),
    ("one key more", {"image": "", "topk": 1}, "application/json", [], 400, "invalid_request"),
    ("both", {"image": "", "url": ""}, "application/json", [], 400, "invalid_request"),
    ("parameters alone", {"top_k": 1}, "application/json", [], 400, "invalid_request"),
    ("a number", {"image": 1}, "application/json", [], 400, "invalid_request"),
    ("no base64", {"image": "***"}, "application/json", [], 400, "invalid_base64"),
    ("a URL's alphabet", {"image": "_9j_"}, "application/json", [], 400, "invalid_base64"),
    ("a lone surrogate", {"image": "\ud800"}, "application/json", [], 400, "invalid_base64"),
]


@pytest.mark.parametrize(
    ("body", "content_type", "query", "status", "code"),
    [pytest.param(*case[1:], id=case[0]) for case in BAD_REQUESTS],
)
def test_a_bad_request_is_refused_before_the_endpoint_is_invoked(
    proxy: Proxy,
    runtime: SageMakerRuntime,
    body: Any,
    content_type: str | None,
    query: list[tuple[str, str]],
    status: int,
    code: str,
) -> None:
    raw = body if isinstance(body, bytes) else json_body(body)

    response = proxy.call(raw, content_type=content_type, query=query)

    assert (response.status, response.body["error"]["code"]) == (status, code)
    assert response.body["error"]["message"]
    assert response.body["request_id"] == REQUEST_ID
    assert set(response.body) == {"error", "request_id"}
    assert set(response.body["error"]) == {"code", "message"}
    assert response.headers == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert runtime.requests == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/predict"), ("POST", "/other")])
def test_an_unknown_route_is_404(proxy: Proxy, method: str, path: str) -> None:
    response = proxy.call(method=method, path=path)

    assert (response.status, response.body["error"]["code"]) == (404, "route_not_found")


def test_no_request_waits_for_a_search_for_garbage_in_all_that_was_imported(proxy: Proxy) -> None:
    gc.unfreeze()
    imported = len(gc.get_objects())

    assert proxy.call().status == 200

    assert gc.get_freeze_count() > 0.9 * imported


def test_without_a_request_context_the_invocation_names_the_request(proxy: Proxy) -> None:
    event = proxy_event(JPEG)
    del event["requestContext"]

    assert proxy.call_event(event).body["request_id"] == proxy.context.aws_request_id


def test_an_unexpected_fault_is_500_and_says_nothing_of_the_inside(
    proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.context.remaining_milliseconds = "soon"  # type: ignore[assignment]  # never by Lambda

    response = proxy.call()

    assert response.status == 500
    assert response.body["error"]["code"] == "internal_error"
    assert "Traceback" not in json.dumps(response.body)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [line] = [line for line in lines if line.get("message") == "request failed"]
    assert line["level"] == "ERROR"
    assert "Traceback" in line["exception"]
