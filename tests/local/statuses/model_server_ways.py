"""Requests that get the model server's errors."""

from tests.lambda_src.stand_in import model_error
from tests.local.api_requests import Request
from tests.local.statuses.images import HALF_AN_IMAGE
from tests.local.statuses.proxy_versions import with_a_stand_in
from tests.local.statuses.way import Way
from tests.local.test_api import GOOD

# Errors that this deployment's server never returns, because the proxy rejects the request first
# or has a lower bound. A container with other settings, or another container, may return them.
_OF_OTHER_SERVERS = {
    (400, "empty_body"): "The body is empty.",
    (400, "invalid_order"): "order must be score or class.",
    (400, "invalid_scores"): "scores must be probabilities or logits.",
    (400, "invalid_top_k"): "top_k must be a whole number from 1, or all.",
    (400, "logits_unavailable"): "The network ends in a softmax: it has no logits.",
    (400, "invalid_request"): "The body cannot be used.",
    (413, "image_too_large"): "The image has 64 x 64 pixels; at most 1024 are accepted.",
    (413, "payload_too_large"): "The body may have at most 1024 bytes.",
    (415, "unsupported_image"): "The body is no JPEG.",
    (415, "unsupported_media_type"): "WebP is none of its formats.",
}

MODEL_SERVER_WAYS = {
    (422, "unreadable_image"): Way(
        Request(HALF_AN_IMAGE),
        message="The PNG image is cut off: its end is missing. Send all of the file.",
    ),
    **{
        (status, code): Way(
            Request(GOOD),
            with_a_stand_in,
            model_error(status, {"code": code, "message": message}),
            message,
        )
        for (status, code), message in _OF_OTHER_SERVERS.items()
    },
    **{
        (status, "rejected_by_model"): Way(
            Request(GOOD), with_a_stand_in, model_error(status, "<html>No.</html>")
        )
        for status in (400, 413, 415, 422)
    },
}
