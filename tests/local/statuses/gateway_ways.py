"""Requests that get API Gateway's own errors."""

from tests.local.api_requests import Request
from tests.local.statuses import gateway_settings, proxy_versions
from tests.local.statuses.images import black_png
from tests.local.statuses.way import Way
from tests.local.test_api import GOOD

# API Gateway rejects an invalid signature, although none is required.
_BADLY_SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 "
    "Credential=AKIAMADEUP/20260101/us-east-1/execute-api/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=00",
    "X-Amz-Date": "20260101T000000Z",
}

GATEWAY_WAYS = {
    (403, "address_not_allowed"): Way(Request(GOOD), gateway_settings.closed_to_this_address),
    (403, "invalid_api_key"): Way(Request(GOOD, key="not-the-key")),
    (403, "request_rejected"): Way(Request(method="GET", path="nothing", headers=_BADLY_SIGNED)),
    (403, "route_not_found"): Way(Request(method="GET", path="nothing")),
    (429, "quota_exceeded"): Way(Request(GOOD), gateway_settings.quota_used_up),
    (429, "throttled"): Way(Request(GOOD), gateway_settings.throttled),
    (502, "internal_error"): Way(Request(GOOD), proxy_versions.wrong_settings),
    (503, "integration_failure"): Way(Request(GOOD), proxy_versions.no_concurrency),
    (504, "integration_timeout"): Way(Request(black_png(4999, 5000)), gateway_settings.impatient),
}
