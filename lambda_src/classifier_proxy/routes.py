import base64
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from classifier_proxy.deadlines import check_time_left
from classifier_proxy.errors import InvalidBase64Error, InvalidRequestError, RouteNotFoundError
from classifier_proxy.health import Health
from classifier_proxy.model_response import Response, parse_classification
from classifier_proxy.requests import ApiEvent, ClassificationRequest, FetchImage, parse_request


class Endpoint(Protocol):
    """A remote endpoint that classifies images."""

    @property
    def max_invoke_seconds(self) -> float:
        """Upper bound of the duration of `invoke`, including all attempts."""

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Classify one image.

        Returns:
            The body of the response, unchecked.

        Raises:
            ModelRejectionError: the model's container rejected the request.
            EndpointError: one of its subclasses; the request was valid but could not be served.
        """


RemainingSeconds = Callable[[], float]
Route = Callable[[ApiEvent, RemainingSeconds], Response]
Routes = Mapping[tuple[str, str], Route]
"""A route for each method and API Gateway resource."""


def create_routes(endpoint: Endpoint, fetch_image: FetchImage | None, health: Health) -> Routes:
    """Return the routes of the API.

    Args:
        endpoint: classifies the images.
        fetch_image: fetches an image by URL; None: such requests are rejected.
        health: health of the endpoint.
    """

    def predict(event: ApiEvent, remaining_seconds: RemainingSeconds) -> Response:
        request = parse_request(event, fetch_image)
        check_time_left(remaining_seconds(), endpoint.max_invoke_seconds)
        return parse_classification(endpoint.invoke(request), request.parameters)

    return {
        ("POST", "/predict"): predict,
        ("GET", "/health"): lambda _event, _remaining_seconds: Response(health.check()),
    }


def route_event(routes: Routes, event: ApiEvent, remaining_seconds: RemainingSeconds) -> Response:
    """Call the event's route.

    Args:
        routes: from `create_routes`.
        event: the request.
        remaining_seconds: returns the seconds left before this function is stopped.

    Raises:
        ProxyError: one of its subclasses.
    """
    route = routes.get((event.method, event.resource))
    if route is None:
        raise RouteNotFoundError
    return route(event, remaining_seconds)


def parse_event(event: Any, *, urls_allowed: bool = False) -> ApiEvent:
    """Parse an event as Lambda passes it.

    Args:
        event: an API Gateway REST proxy event or, for a direct invocation, an object with the
            members of a JSON body, including `image` or `url`. A caller with permission to invoke
            the function can also send anything else.
        urls_allowed: whether this deployment fetches images by URL; error messages then mention it.

    Raises:
        InvalidRequestError: the event has neither form.
        InvalidBase64Error: the body is not base64, although the event says so.
    """
    if not isinstance(event, dict):
        raise InvalidRequestError(_expected_events(urls_allowed=urls_allowed))
    if "httpMethod" not in event and event.keys() & {"image", "url"}:
        return ApiEvent("POST", "/predict", document=event)
    headers = event.get("headers") or {}
    query = event.get("multiValueQueryStringParameters") or {}
    body = event.get("body") or ""
    if not (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("resource"), str)
        and _is_dict_of(str | None, headers)
        and _is_dict_of(list, query)
        and all(isinstance(value, str) for values in query.values() for value in values)
        and isinstance(body, str)
    ):
        raise InvalidRequestError(_expected_events(urls_allowed=urls_allowed))
    return ApiEvent(
        method=event["httpMethod"],
        resource=event["resource"],
        headers={name.lower(): value for name, value in headers.items()},
        body=_decode_body(body, is_base64=bool(event.get("isBase64Encoded"))),
        query=query,
    )


def _expected_events(*, urls_allowed: bool) -> str:
    url = ', {"url": "https://..."}' if urls_allowed else ""
    return (
        f'The event must be {{"image": "<base64>"}}{url} or that of an API Gateway REST API with '
        "proxy integration (payload format 1.0)."
    )


def _is_dict_of(kind: Any, value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, kind) for each in value.values())


def _decode_body(text: str, *, is_base64: bool) -> bytes:
    # API Gateway encodes the body of each binary media type, including images, in base64.
    if not is_base64:
        # A lone surrogate is not valid text; the later checks of the bytes report it.
        return text.encode(errors="surrogatepass")
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise InvalidBase64Error("The body is not base64, but isBase64Encoded is true.") from error
