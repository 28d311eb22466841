"""Requests that get the proxy's errors."""

import json

from tests.lambda_src.stand_in import (
    model_error,
    reset,
    respond,
    service_error,
    silent_in_the_middle,
)
from tests.local.api_requests import Request
from tests.local.statuses import endpoint_states, gateway_settings, proxy_versions
from tests.local.statuses.images import MORE_THAN_4_MIB, NOT_AN_IMAGE, black_png
from tests.local.statuses.proxy_versions import ALLOWED_HOST, with_a_stand_in
from tests.local.statuses.way import Way
from tests.local.test_api import GOOD

_JSON = "application/json"
_LONGER_THAN_THE_PROXY_WAITS_SECONDS = 3.0
_FAILED_ENDPOINT = respond(200, {"EndpointStatus": "Failed"}, "application/x-amz-json-1.1")


def _url(url: str) -> Request:
    return Request(json.dumps({"url": url}).encode(), _JSON)


_OF_REQUESTS = {
    (400, "empty_body"): Way(
        Request(),
        message="The request has no image. Send its bytes as the body, or application/json with "
        '{"image": "<base64>"}.',
    ),
    (400, "invalid_base64"): Way(
        Request(b'{"image": "%%%"}', _JSON),
        message='"image" is not valid base64: use the standard alphabet (A-Z, a-z, 0-9, "+", "/"). '
        'Padding may be left out, line breaks and a "data:image/...;base64," prefix are accepted.',
    ),
    (400, "invalid_json"): Way(Request(b'{"image": ', _JSON)),
    (400, "invalid_order"): Way(
        Request(GOOD, query="?order=index"), message='order must be "score" or "class".'
    ),
    (400, "invalid_request"): Way(
        Request(b"[]", _JSON),
        message='The JSON must be an object such as {"image": "<base64>"}; the only other members '
        "are order, scores, top_k.",
    ),
    (400, "invalid_scores"): Way(
        Request(GOOD, query="?scores=raw"), message='scores must be "probabilities" or "logits".'
    ),
    (400, "invalid_top_k"): Way(
        Request(GOOD, query="?top_k=0"),
        message='top_k must be a whole number from 1, or "all"; above the model\'s number of '
        "classes it returns all of them.",
    ),
    (400, "response_too_large"): Way(
        Request(GOOD, query="?top_k=all"), with_a_stand_in, respond(200, bytes(6 * 1024**2 + 1))
    ),
    (404, "route_not_found"): Way(
        Request(GOOD, method="PUT"), gateway_settings.method_that_the_proxy_lacks
    ),
    (413, "image_too_large"): Way(
        Request(black_png(5001, 5000)),
        message="The image has 5001 x 5000 pixels; at most 25 megapixels are accepted. Send a "
        "smaller one.",
    ),
    (413, "payload_too_large"): Way(
        Request(MORE_THAN_4_MIB),
        message=f"The image has {len(MORE_THAN_4_MIB)} bytes; at most 4194304 (4 MiB) are "
        "accepted. Send a smaller one.",
    ),
    (415, "unsupported_image"): Way(Request(NOT_AN_IMAGE)),
    (415, "unsupported_media_type"): Way(
        Request(GOOD, content_type=None),
        message="The Content-Type header is missing. Send one of image/jpeg, image/png, "
        "image/webp with the image's bytes, multipart/form-data with one file, or "
        "application/json.",
    ),
    (422, "unreadable_image"): Way(
        Request(black_png(0, 1)), message="The image's header says 0 x 1 pixels."
    ),
}
_UPLOAD = Request(json.dumps({"s3": f"uploads/{'0' * 32}"}).encode(), _JSON)
_OF_UPLOADS = {
    (400, "uploads_disabled"): Way(_UPLOAD),
    (400, "invalid_upload_key"): Way(
        Request(b'{"s3": "s3://another-bucket/1.jpg"}', _JSON), with_a_stand_in
    ),
    (404, "upload_not_found"): Way(_UPLOAD, with_a_stand_in),
    (503, "uploads_unavailable"): Way(_UPLOAD, proxy_versions.without_s3),
}
_OF_URLS = {
    (400, "url_disabled"): Way(_url(f"https://{ALLOWED_HOST}/image.png")),
    (400, "invalid_url"): Way(_url("https://127.0.0.1/image.png"), with_a_stand_in),
    (400, "url_not_allowed"): Way(_url("https://another.invalid/image.png"), with_a_stand_in),
    (422, "url_unreachable"): Way(_url(f"https://{ALLOWED_HOST}/image.png"), with_a_stand_in),
    (500, "internal_error"): Way(
        _url(f"https://{ALLOWED_HOST}/image.png"), proxy_versions.incomplete_bundle
    ),
}
_OF_SITUATIONS = {
    (500, "endpoint_access_denied"): Way(Request(GOOD), endpoint_states.forbidden),
    (503, "deadline_too_short"): Way(Request(GOOD), proxy_versions.little_time),
    (503, "endpoint_missing"): Way(Request(GOOD), endpoint_states.gone),
    (503, "endpoint_paused"): Way(Request(GOOD), endpoint_states.paused),
    (503, "endpoint_not_responding"): Way(Request(GOOD), proxy_versions.hung_for_some_time),
    (504, "endpoint_timeout"): Way(
        Request(GOOD),
        proxy_versions.hung,
        silent_in_the_middle(_LONGER_THAN_THE_PROXY_WAITS_SECONDS),
    ),
    (503, "endpoint_starting"): Way(
        Request(GOOD),
        proxy_versions.serverless_and_cold,
        silent_in_the_middle(_LONGER_THAN_THE_PROXY_WAITS_SECONDS),
    ),
    (503, "overloaded"): Way(Request(GOOD), endpoint_states.full),
}
_OF_SAGEMAKER = {
    (429, "throttled"): service_error(400, "ThrottlingException"),
    (502, "endpoint_failed"): service_error(500, "InternalFailure"),
    (502, "endpoint_unreachable"): reset,
    (502, "invalid_endpoint_response"): respond(200, b"<html>Bad gateway</html>", "text/html"),
    (502, "model_failed"): model_error(500, "boom"),
    (503, "endpoint_unavailable"): service_error(503, "ServiceUnavailable"),
    (503, "model_not_ready"): service_error(429, "ModelNotReadyException"),
}

PROXY_WAYS = {
    **_OF_REQUESTS,
    **_OF_UPLOADS,
    **_OF_URLS,
    **_OF_SITUATIONS,
    **{
        error: Way(Request(GOOD), with_a_stand_in, behaviour)
        for error, behaviour in _OF_SAGEMAKER.items()
    },
    (503, "endpoint_not_in_service"): Way(
        Request(method="GET", path="health", content_type=None, key=""),
        proxy_versions.health_with_a_stand_in,
        _FAILED_ENDPOINT,
    ),
}
