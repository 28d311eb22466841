"""Every error of the table with a request that gets it, or why there is none."""

from tests.local.statuses.gateway_ways import GATEWAY_WAYS
from tests.local.statuses.model_server_ways import MODEL_SERVER_WAYS
from tests.local.statuses.proxy_ways import PROXY_WAYS
from tests.local.statuses.way import Way

Key = tuple[int, str, str]

GATEWAY, MODEL_SERVER, PROXY = "API Gateway", "model server", "proxy"
_BY_SOURCE = {GATEWAY: GATEWAY_WAYS, MODEL_SERVER: MODEL_SERVER_WAYS, PROXY: PROXY_WAYS}

WAYS: dict[Key, Way] = {
    (*error, source): way for source, ways in _BY_SOURCE.items() for error, way in ways.items()
}

OUT_OF_REACH: dict[Key, str] = {
    (400, "request_rejected", GATEWAY): "API Gateway refuses a bad signature, path or "
    "parameter with it, and validates no request of this API",
    (403, "blocked_by_firewall", GATEWAY): "the emulator has no firewall",
    (404, "request_rejected", GATEWAY): "RESOURCE_NOT_FOUND follows an authorizer, which the API "
    "has not; before one, a path that is not there is 403",
    (413, "payload_too_large", GATEWAY): "AWS responds with its own message; see "
    "test_above_10_mb_api_gateway_takes_no_request",
    (500, "uploads_access_denied", PROXY): "needs an upload that the role may not read; see "
    "tests/lambda_src/uploads/test_predict_upload.py",
    (422, "url_failed", PROXY): "needs a public host that responds; see "
    "tests/lambda_src/image_url/test_responses_of_servers.py",
    (422, "url_timeout", PROXY): "needs a public host that is slow; see "
    "tests/lambda_src/image_url/test_slow_servers.py",
    (500, "internal_error", GATEWAY): "a fault inside AWS",
    (503, "internal_error", GATEWAY): "a fault inside AWS",
}
