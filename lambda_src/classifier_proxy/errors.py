class ProxyError(Exception):
    """What the proxy refuses or cannot do; `error_table.py` says how each is answered.

    The text of an instance goes to the caller, so it never carries details of the inside; those
    are in the exception it is chained from, which is logged. Without a text the table's is used.
    """


class RouteNotFoundError(ProxyError):
    """No route has this method and path."""


class RequestError(ProxyError):
    """The caller's request cannot be used as it is."""


class UnsupportedMediaTypeError(RequestError):
    """The Content-Type is missing or is not one that is taken."""


class EmptyBodyError(RequestError):
    """There is no picture in the request."""


class InvalidJsonError(RequestError):
    """The body says that it is JSON and is not."""


class InvalidRequestError(RequestError):
    """The body, the form or the event is not one of the documented members and types."""


class InvalidBase64Error(RequestError):
    """The image in the JSON body or the event is not base64."""


class InvalidTopKError(RequestError):
    """The parameter top_k is neither a whole number from 1 nor "all"."""


class InvalidOrderError(RequestError):
    """The parameter order is not one of its values, or excludes another parameter."""


class InvalidScoresError(RequestError):
    """The parameter scores is not one of its values."""


class ResponseTooLargeError(RequestError):
    """So many classes were requested that Lambda cannot return the response."""


class PayloadTooLargeError(RequestError):
    """The picture has more bytes than are taken."""


class UnsupportedImageError(RequestError):
    """The bytes are none of the picture formats that are taken."""


class ImageTooLargeError(RequestError):
    """The picture has more pixels than are taken."""


class UnreadableImageError(RequestError):
    """The picture's header says that no decoder will read it, or not at a bearable price."""


class UrlDisabledError(RequestError):
    """The picture is named by its address, which this deployment does not allow."""


class InvalidUrlError(RequestError):
    """What is given as the picture's address is none of the form that is taken."""


class UrlNotAllowedError(RequestError):
    """The picture's address is on a host that is not allowed, or not on the public internet."""


class UrlUnreachableError(RequestError):
    """The host of the picture's address cannot be reached, trusted or understood."""


class UrlFailedError(RequestError):
    """The host of the picture's address answered, but not with a picture."""


class UrlTimeoutError(RequestError):
    """The picture did not arrive from its address in time."""


class ModelRejectionError(RequestError):
    """The model's container refused the request with one of the statuses of its contract.

    Args:
        status: the container's HTTP status, one of `MODEL_REJECTIONS`.
        code: the container's error code, snake_case.
        message: the container's sentence for the caller.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class EndpointError(ProxyError):
    """The endpoint did not classify a request that had nothing wrong with it."""


class DeadlineTooShortError(EndpointError):
    """Too little time is left for a call of the endpoint to end before the function does."""


class ModelNotReadyError(EndpointError):
    """The endpoint is still loading the model."""


class EndpointThrottledError(EndpointError):
    """SageMaker limits the rate of calls."""


class EndpointUnavailableError(EndpointError):
    """SageMaker has nothing in service to call at the moment."""


class EndpointMissingError(EndpointError):
    """There is no endpoint of the configured name."""


class EndpointAccessDeniedError(EndpointError):
    """The function's role may not call the endpoint, or has no valid credentials."""


class EndpointTimeoutError(EndpointError):
    """The endpoint did not answer in time."""


class EndpointUnreachableError(EndpointError):
    """No connection to the endpoint could be made or kept."""


class EndpointFailedError(EndpointError):
    """SageMaker answered with an error of its own."""


class ModelFailedError(EndpointError):
    """The model's container answered with an error that is no fault of the request."""


class ModelOverloadedError(EndpointError):
    """The model's container has more requests than it can take."""


class EndpointNotInServiceError(EndpointError):
    """The endpoint serves nothing, or its state could not be found out."""


class InvalidEndpointAnswerError(EndpointError):
    """The endpoint's answer is not the documented one."""
