"""All errors that the proxy returns; the API's documents are generated from these classes.

Errors that may pass without a change are 503 or 429 with Retry-After, invalid responses of the
endpoint are 502, and late responses 504. The container's own 503 (too many requests) therefore
stays 503, while every other 5xx of the container becomes 502.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class ProxyError(Exception):
    """An error that is returned to the caller.

    Each subclass with a `status` is one error of the API. Its message is public and never contains
    internal details: those are in the chained exception, which is logged.

    Args:
        message: sentence for the caller; None: the default of the class.
        retry_after_seconds: value of the Retry-After header; None: the default of the class.

    Attributes:
        status: HTTP status.
        code: snake_case name of the error, for programs.
        message: sentence for people.
        retry_after_seconds: value of the Retry-After header; None: no header.
        retry_after_varies: whether an error has its own value; that of the class is the maximum.
        members: members of the response body besides the error.
    """

    status: int
    code: str
    message: str
    retry_after_seconds: int | None = None
    retry_after_varies: ClassVar[bool] = False
    members: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(
        self, message: str | None = None, *, retry_after_seconds: int | None = None
    ) -> None:
        self.message = message or self.message
        self.retry_after_seconds = retry_after_seconds or self.retry_after_seconds
        super().__init__(self.message)


def error_classes() -> list[type[ProxyError]]:
    """Return the class of each error of the API, in the order of this file.

    `ModelRejectionError` is not among them: its status and code come from the container.
    """
    classes = [value for value in globals().values() if isinstance(value, type)]
    return [each for each in classes if issubclass(each, ProxyError) and "status" in vars(each)]


def to_proxy_error(error: Exception) -> ProxyError:
    """Return the error to respond with: `InternalError` for all but a `ProxyError`."""
    return error if isinstance(error, ProxyError) else InternalError()


class InternalError(ProxyError):
    """A fault of the proxy itself."""

    status = 500
    code = "internal_error"
    message = "Something went wrong on our side. Quote the request id to report it."


class RouteNotFoundError(ProxyError):
    """No route has this method and path."""

    status = 404
    code = "route_not_found"
    message = "There is nothing at this method and path."


class RequestError(ProxyError):
    """The caller's request is invalid."""


class EmptyBodyError(RequestError):
    """The request has no image."""

    status = 400
    code = "empty_body"
    message = "The request has no image. Send its bytes as the body."


class InvalidJsonError(RequestError):
    """The Content-Type is JSON and the body is not."""

    status = 400
    code = "invalid_json"
    message = "The body is not valid JSON."


class InvalidRequestError(RequestError):
    """The body, the form or the event has other members or types than the documented ones."""

    status = 400
    code = "invalid_request"
    message = 'The body must be a JSON object such as {"image": "<base64>"}.'


class InvalidBase64Error(RequestError):
    """The image in the JSON body or the event is not base64."""

    status = 400
    code = "invalid_base64"
    message = '"image" is not valid base64.'


class InvalidTopKError(RequestError):
    """The parameter top_k is neither a whole number from 1 nor "all"."""

    status = 400
    code = "invalid_top_k"
    message = 'top_k is neither a whole number from 1 nor "all".'


class InvalidOrderError(RequestError):
    """The parameter order is not one of its values, or excludes another parameter."""

    status = 400
    code = "invalid_order"
    message = 'order is not "score" or "class", or excludes top_k.'


class InvalidScoresError(RequestError):
    """The parameter scores is not one of its values."""

    status = 400
    code = "invalid_scores"
    message = 'scores is not "probabilities" or "logits".'


class ResponseTooLargeError(RequestError):
    """Lambda cannot return a response with so many classes."""

    status = 400
    code = "response_too_large"
    message = (
        "The response with so many classes is larger than the 6 MB that Lambda returns."
        " Request fewer with top_k."
    )


class PayloadTooLargeError(RequestError):
    """The image has too many bytes."""

    status = 413
    code = "payload_too_large"
    message = "The image has too many bytes. Send a smaller one."


class ImageTooLargeError(RequestError):
    """The image has too many pixels."""

    status = 413
    code = "image_too_large"
    message = "The image has too many pixels. Send a smaller one."


class UnreadableImageError(RequestError):
    """No decoder reads an image with this header, or only at too high a cost."""

    status = 422
    code = "unreadable_image"
    message = "The image's header is not that of a readable image."


class UnsupportedMediaTypeError(RequestError):
    """The Content-Type is missing or not supported."""

    status = 415
    code = "unsupported_media_type"
    message = "This Content-Type is not supported."


class UnsupportedImageError(RequestError):
    """The bytes are not of a supported image format."""

    status = 415
    code = "unsupported_image"
    message = "The body is not a JPEG, PNG or WebP image."


class UrlDisabledError(RequestError):
    """This deployment does not fetch images by URL."""

    status = 400
    code = "url_disabled"
    message = "This API does not fetch images by URL. Send the image itself."


class InvalidUrlError(RequestError):
    """The image's URL does not have the documented form."""

    status = 400
    code = "invalid_url"
    message = (
        '"url" must be https://host/path?query: the name of a host, no port but 443, no user'
        " name, no fragment, at most 2048 characters and all of them ASCII."
    )


class UrlNotAllowedError(RequestError):
    """The host of the image's URL is not allowed, or not on the public internet."""

    status = 400
    code = "url_not_allowed"
    message = 'This API does not fetch images from the host in "url".'


# 422 and not 502 or 504: the caller chooses the URL, and must not be able to trigger the operator's
# alarm on 5xx.
class UrlUnreachableError(RequestError):
    """No valid connection or HTTP response from the host of the image's URL."""

    status = 422
    code = "url_unreachable"
    message = 'No connection to the host in "url" could be made or kept.'


class UrlFailedError(RequestError):
    """The host of the image's URL responded, but not with an image."""

    status = 422
    code = "url_failed"
    message = 'The host in "url" did not respond with an image.'


class UrlTimeoutError(RequestError):
    """The image was not fetched from its URL in time."""

    status = 422
    code = "url_timeout"
    message = 'The image did not arrive from the address in "url" in time.'


class UploadsDisabledError(RequestError):
    """This deployment takes no uploads."""

    status = 400
    code = "uploads_disabled"
    message = "This API takes no uploads. Send the image itself."


class InvalidUploadKeyError(RequestError):
    """The key of the uploaded image is not one that this API has given out."""

    status = 400
    code = "invalid_upload_key"
    message = '"s3" must be a key as POST /uploads returns it: uploads/ and 32 hexadecimal digits.'


class UploadNotFoundError(RequestError):
    """No image was uploaded under this key, or it was deleted after its use."""

    status = 404
    code = "upload_not_found"
    message = (
        'There is no image under the key in "s3": it was not uploaded, or it was classified, which'
        " deletes it, or it is older than a day. Upload it again."
    )


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
"""The container's errors that are passed on: error codes by status, as in
`model_code/classifier/errors.py`. For any other code only the status and the message are passed."""


class ModelRejectionError(RequestError):
    """The model's container rejected the request.

    Args:
        status: the container's HTTP status, a key of `MODEL_REJECTIONS`.
        code: the container's error code; None: no documented code was sent.
        message: the container's sentence for the caller; None: none was sent.
    """

    code = "rejected_by_model"
    message = "The model rejected the image."

    def __init__(self, status: int, code: str | None = None, message: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or self.code


class UploadsError(ProxyError):
    """The bucket of the uploaded images did not respond to a valid request."""


class UploadsAccessDeniedError(UploadsError):
    """The function's role may not use the bucket or its key, or has no valid credentials."""

    status = 500
    code = "uploads_access_denied"
    message = "The API is not allowed to use its own uploads."


class UploadsUnavailableError(UploadsError):
    """S3 failed, was too slow, or limits the rate of calls."""

    status = 503
    code = "uploads_unavailable"
    message = "Uploads are not available at the moment. Try again in a moment."
    retry_after_seconds = 1


class EndpointError(ProxyError):
    """The endpoint did not classify a valid request."""


class EndpointThrottledError(EndpointError):
    """SageMaker limits the rate of calls."""

    status = 429
    code = "throttled"
    message = "Too many requests. Try again in a moment."
    retry_after_seconds = 1


class EndpointAccessDeniedError(EndpointError):
    """The function's role may not invoke the endpoint, or has no valid credentials."""

    status = 500
    code = "endpoint_access_denied"
    message = "The API is not allowed to invoke the model's endpoint."


class EndpointUnreachableError(EndpointError):
    """No connection to the endpoint could be made or kept."""

    status = 502
    code = "endpoint_unreachable"
    message = "The connection to the model's endpoint failed."


class EndpointFailedError(EndpointError):
    """SageMaker responded with an error of its own."""

    status = 502
    code = "endpoint_failed"
    message = "The model's endpoint responded with an error."


class ModelFailedError(EndpointError):
    """The model's container responded with an error to a valid request."""

    status = 502
    code = "model_failed"
    message = "The model failed on this request."


class InvalidEndpointResponseError(EndpointError):
    """The endpoint's response is not the documented one."""

    status = 502
    code = "invalid_endpoint_response"
    message = "The model's endpoint returned an invalid response."


class DeadlineTooShortError(EndpointError):
    """Too little time is left to invoke the endpoint before the function is stopped."""

    status = 503
    code = "deadline_too_short"
    message = "Too little time was left to invoke the model. Try again."
    retry_after_seconds = 1


class ModelNotReadyError(EndpointError):
    """The endpoint is still loading the model."""

    status = 503
    code = "model_not_ready"
    message = "The model is being loaded. Try again in a few seconds."
    retry_after_seconds = 5


class EndpointStartingError(EndpointError):
    """A container of the serverless endpoint did not start before the proxy's read timeout."""

    status = 503
    code = "endpoint_starting"
    message = (
        "The model is being started, which takes up to some minutes after a quiet time. Try again"
        " after the seconds in Retry-After."
    )
    retry_after_seconds = 10


class EndpointUnavailableError(EndpointError):
    """SageMaker has no instance in service at the moment."""

    status = 503
    code = "endpoint_unavailable"
    message = "The model's endpoint is not available. Try again in a few seconds."
    retry_after_seconds = 5


class ModelOverloadedError(EndpointError):
    """The queue of the model's container is full."""

    status = 503
    code = "overloaded"
    message = "The model has too many requests. Try again in a moment."
    retry_after_seconds = 1


class EndpointNotInServiceError(EndpointError):
    """The endpoint is not in service, or its status is unknown."""

    status = 503
    code = "endpoint_not_in_service"
    message = "The model's endpoint is not in service, or its state is not known. Try again later."
    retry_after_seconds = 30
    members = MappingProxyType({"status": "unavailable"})


class EndpointMissingError(EndpointError):
    """There is no endpoint of the configured name."""

    status = 503
    code = "endpoint_missing"
    message = "The model's endpoint does not exist yet or any more. Try again later."
    retry_after_seconds = 30


class EndpointPausedError(EndpointError):
    """The operator has paused the stage, which has no endpoint until it is resumed."""

    status = 503
    code = "endpoint_paused"
    message = (
        "The operator has paused the model to save costs, and nothing is wrong with the request."
        " It is served again after the operator has resumed the model."
    )
    retry_after_seconds = 300
    members = MappingProxyType({"status": "paused"})


class EndpointNotRespondingError(EndpointError):
    """An earlier request timed out, so that the endpoint is not invoked for some seconds."""

    status = 503
    code = "endpoint_not_responding"
    message = (
        "The model did not respond to an earlier request. It is not invoked again until the"
        " seconds in Retry-After have passed."
    )
    retry_after_seconds = 25
    retry_after_varies = True


class EndpointTimeoutError(EndpointError):
    """The endpoint did not respond in time."""

    status = 504
    code = "endpoint_timeout"
    message = "The model did not respond in time."
