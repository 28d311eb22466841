from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from classifier_proxy import errors


@dataclass(frozen=True)
class ErrorAnswer:
    """How one kind of error is answered.

    Attributes:
        status: HTTP status.
        code: snake_case name of the error, for programs.
        message: sentence for people, used where the error brings none of its own.
        retry_after_seconds: value of the Retry-After header; None: no such header.
        members: what the body says beside the error.
    """

    status: int
    code: str
    message: str
    retry_after_seconds: int | None = None
    members: Mapping[str, str] = field(default_factory=dict)


MODEL_REJECTIONS: Mapping[int, frozenset[str]] = MappingProxyType(
    {
        400: frozenset(
            {
                "empty_body",
                "invalid_order",
                "invalid_request",
                "invalid_scores",
                "invalid_top_k",
                "logits_unavailable",
            }
        ),
        413: frozenset({"image_too_large", "payload_too_large"}),
        415: frozenset({"unsupported_image", "unsupported_media_type"}),
        422: frozenset({"unreadable_image"}),
    }
)
"""The container's refusals that are passed on: codes by status, as in its own table
(`model_code/classifier/errors.py`). With another code the status and the message are."""

INTERNAL_ERROR = ErrorAnswer(
    500, "internal_error", "Something went wrong on our side. Quote the request id to report it."
)

ERROR_TABLE: Mapping[type[errors.ProxyError], ErrorAnswer] = MappingProxyType(
    {
        errors.RouteNotFoundError: ErrorAnswer(
            404, "route_not_found", "There is nothing at this method and path."
        ),
        errors.EmptyBodyError: ErrorAnswer(
            400, "empty_body", "The request has no image. Send its bytes as the body."
        ),
        errors.InvalidJsonError: ErrorAnswer(400, "invalid_json", "The body is not valid JSON."),
        errors.InvalidRequestError: ErrorAnswer(
            400,
            "invalid_request",
            'The body must be a JSON object such as {"image": "<base64>"}.',
        ),
        errors.InvalidBase64Error: ErrorAnswer(
            400, "invalid_base64", '"image" is not valid base64.'
        ),
        errors.InvalidTopKError: ErrorAnswer(
            400, "invalid_top_k", 'top_k is neither a whole number from 1 nor "all".'
        ),
        errors.InvalidOrderError: ErrorAnswer(
            400, "invalid_order", 'order is not "score" or "class", or excludes top_k.'
        ),
        errors.InvalidScoresError: ErrorAnswer(
            400, "invalid_scores", 'scores is not "probabilities" or "logits".'
        ),
        errors.ResponseTooLargeError: ErrorAnswer(
            400,
            "response_too_large",
            "The response with so many classes is larger than the 6 MB that Lambda returns."
            " Request fewer with top_k.",
        ),
        errors.PayloadTooLargeError: ErrorAnswer(
            413, "payload_too_large", "The image has too many bytes. Send a smaller one."
        ),
        errors.ImageTooLargeError: ErrorAnswer(
            413, "image_too_large", "The image has too many pixels. Send a smaller one."
        ),
        errors.UnreadableImageError: ErrorAnswer(
            422, "unreadable_image", "The picture's header is not that of a readable picture."
        ),
        errors.UnsupportedMediaTypeError: ErrorAnswer(
            415, "unsupported_media_type", "This Content-Type is not supported."
        ),
        errors.UnsupportedImageError: ErrorAnswer(
            415, "unsupported_image", "The body is not a JPEG, PNG or WebP image."
        ),
        errors.UrlDisabledError: ErrorAnswer(
            400, "url_disabled", "This API does not fetch images by URL. Send the image itself."
        ),
        errors.InvalidUrlError: ErrorAnswer(
            400,
            "invalid_url",
            '"url" must be https://host/path?query: the name of a host, no port but 443, no user'
            " name, no fragment, at most 2048 characters and all of them ASCII.",
        ),
        errors.UrlNotAllowedError: ErrorAnswer(
            400, "url_not_allowed", 'The host in "url" is not one that this API may ask.'
        ),
        # 422 and not 502 or 504: callers choose the address, and an operator's alarm on 5xx must
        # not be theirs to set off.
        errors.UrlUnreachableError: ErrorAnswer(
            422, "url_unreachable", 'No connection to the host in "url" could be made or kept.'
        ),
        errors.UrlFailedError: ErrorAnswer(
            422, "url_failed", 'The host in "url" did not answer with a picture.'
        ),
        errors.UrlTimeoutError: ErrorAnswer(
            422, "url_timeout", 'The picture did not arrive from the address in "url" in time.'
        ),
        errors.EndpointThrottledError: ErrorAnswer(
            429, "throttled", "Too many requests. Try again in a moment.", retry_after_seconds=1
        ),
        errors.EndpointAccessDeniedError: ErrorAnswer(
            500, "endpoint_access_denied", "The API is not allowed to call the model's endpoint."
        ),
        errors.EndpointUnreachableError: ErrorAnswer(
            502, "endpoint_unreachable", "The connection to the model's endpoint failed."
        ),
        errors.EndpointFailedError: ErrorAnswer(
            502, "endpoint_failed", "The model's endpoint answered with an error."
        ),
        errors.ModelFailedError: ErrorAnswer(
            502, "model_failed", "The model failed on this request."
        ),
        errors.InvalidEndpointAnswerError: ErrorAnswer(
            502, "invalid_endpoint_answer", "The model's endpoint gave an answer of no use."
        ),
        errors.DeadlineTooShortError: ErrorAnswer(
            503,
            "deadline_too_short",
            "Too little time was left to ask the model. Try again.",
            retry_after_seconds=1,
        ),
        errors.ModelNotReadyError: ErrorAnswer(
            503,
            "model_not_ready",
            "The model is being loaded. Try again in a few seconds.",
            retry_after_seconds=5,
        ),
        errors.EndpointUnavailableError: ErrorAnswer(
            503,
            "endpoint_unavailable",
            "The model's endpoint is not available. Try again in a few seconds.",
            retry_after_seconds=5,
        ),
        errors.ModelOverloadedError: ErrorAnswer(
            503,
            "overloaded",
            "The model has more requests than it can take. Try again in a moment.",
            retry_after_seconds=1,
        ),
        errors.EndpointNotInServiceError: ErrorAnswer(
            503,
            "endpoint_not_in_service",
            "The model's endpoint is not in service, or its state is not known. Try again later.",
            retry_after_seconds=30,
            members=MappingProxyType({"status": "unavailable"}),
        ),
        errors.EndpointMissingError: ErrorAnswer(
            503,
            "endpoint_missing",
            "The model's endpoint does not exist yet or any more. Try again later.",
            retry_after_seconds=30,
        ),
        errors.EndpointTimeoutError: ErrorAnswer(
            504, "endpoint_timeout", "The model did not answer in time."
        ),
    }
)
"""How every error is answered: the one place that knows. What can pass by itself is 503 or 429
with Retry-After, a broken reply 502, a late one 504. So the container's own 503, that it has too
many requests, stays 503, while every other 5xx of it is a broken reply."""

REJECTED_BY_MODEL = ("rejected_by_model", "The model refused the picture.")
"""Code and message where the container refuses a request with neither of its contract."""


def answer_for(error: Exception) -> ErrorAnswer:
    """Say how an error is answered.

    Args:
        error: a `ProxyError`, or anything else that was raised on the way.

    Returns:
        The table's row, with the error's own text where it has one; `INTERNAL_ERROR`, which says
        nothing of the inside, for anything that is no `ProxyError`.
    """
    if isinstance(error, errors.ModelRejectionError):
        return ErrorAnswer(error.status, error.code, str(error))
    if not isinstance(error, errors.ProxyError):
        return INTERNAL_ERROR
    row = ERROR_TABLE[type(error)]
    return replace(row, message=str(error) or row.message)
