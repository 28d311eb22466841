import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from classifier_proxy.circuit_breaker import CircuitBreaker
from classifier_proxy.deadlines import check_time_left
from classifier_proxy.endpoint.protocol import Endpoint
from classifier_proxy.errors import (
    InvalidBase64Error,
    InvalidRequestError,
    ProxyError,
    ResponseTooLargeError,
    RouteNotFoundError,
    to_proxy_error,
)
from classifier_proxy.model_response import Response, parse_classification
from classifier_proxy.requests import (
    IMAGE_MEMBERS,
    ApiEvent,
    FetchImage,
    ImageSources,
    accepted_documents,
    parse_request,
)
from classifier_proxy.settings import Settings
from classifier_proxy.uploads.protocol import Uploads
from classifier_proxy.uploads.signing import sign_upload
from classifier_proxy.uploads.single_use import single_use

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from classifier_proxy.observability.telemetry import Telemetry

Handler = Callable[[Any, Any], dict[str, Any]]
RemainingSeconds = Callable[[], float]
Route = Callable[[ApiEvent, RemainingSeconds], Response]
Routes = Mapping[tuple[str, str], Route]
"""A route for each method and API Gateway resource."""

MAX_RESPONSE_CHARACTERS = 6 * 1024 * 1024 - 4096
"""Lambda returns 6 MB of JSON, which contains the body as a string; the rest is for headers."""


def predict_routes(
    endpoint: Endpoint,
    breaker: CircuitBreaker,
    fetch_image: FetchImage | None,
    uploads: Uploads | None,
) -> Routes:
    """Return the routes of the proxy function.

    Args:
        endpoint: classifies the images.
        breaker: stops invocations of the endpoint while it does not respond.
        fetch_image: fetches an image by URL; None: such requests are rejected.
        uploads: the images that callers upload; None: such requests are rejected.
    """

    def predict(event: ApiEvent, remaining_seconds: RemainingSeconds) -> Response:
        with nullcontext() if uploads is None else single_use(uploads) as read_upload:
            request = parse_request(event, ImageSources(fetch_image, read_upload))
            check_time_left(remaining_seconds(), endpoint.max_invoke_seconds)
            with breaker.call():
                body = endpoint.invoke(request)
            return parse_classification(body, request.parameters)

    routes: dict[tuple[str, str], Route] = {("POST", "/predict"): predict}
    if uploads is not None:
        routes["POST", "/uploads"] = lambda event, _remaining: Response(
            asdict(sign_upload(event, uploads))
        )
    return routes


def create_event_handler(routes: Routes, telemetry: "Telemetry", settings: Settings) -> Handler:
    """Create a function's Lambda handler, once for all requests.

    Args:
        routes: the function's routes.
        telemetry: logs and counts the requests.
        settings: the function's settings.
    """
    documents = accepted_documents(
        urls=bool(settings.url_allowed_hosts), uploads=settings.uploads is not None
    )

    # log_event=False overrides POWERTOOLS_LOGGER_LOG_EVENT: an event contains the caller's image
    # and API key.
    @telemetry.logger.inject_lambda_context(log_event=False, clear_state=True)
    def handle_event(event: Any, context: "LambdaContext") -> dict[str, Any]:
        response = handle_request(routes, telemetry, event, context, documents)
        if settings.cors_allowed_origin:
            response["headers"] |= _cors_headers(settings.cors_allowed_origin, response["headers"])
        return response

    return handle_event


def handle_request(
    routes: Routes,
    telemetry: "Telemetry",
    event: Any,
    context: "LambdaContext",
    documents: Sequence[str],
) -> dict[str, Any]:
    """Return the response to one request; every exception becomes a documented error.

    Args:
        routes: the function's routes.
        telemetry: logs and counts the request.
        event: an API Gateway REST proxy event or a direct invocation's, see `parse_event`.
        context: Lambda's context of the invocation.
        documents: the JSON that `routes` take, for an error message.

    Returns:
        An API Gateway proxy response.
    """
    request_id = _request_id(event, context)
    telemetry.start_request(request_id)
    try:
        parsed = parse_event(event, documents)
        route = routes.get((parsed.method, parsed.resource))
        if route is None:
            raise RouteNotFoundError
        result = route(parsed, lambda: context.get_remaining_time_in_millis() / 1000)
        response = _response(200, result.body, request_id)
        _check_length(response["body"])
    except Exception as error:
        telemetry.record_failure(error)
        return _error_response(to_proxy_error(error), request_id)
    else:
        telemetry.record_success(result)
        return response
    finally:
        telemetry.end_request()


def parse_event(event: Any, documents: Sequence[str]) -> ApiEvent:
    """Parse an event as Lambda passes it.

    Args:
        event: an API Gateway REST proxy event or, for a direct invocation, an object with the
            members of a JSON body, including `image`, `url` or `s3`. A caller with permission to
            invoke the function can also send anything else.
        documents: the JSON that this deployment takes, for an error message.

    Raises:
        InvalidRequestError: the event has neither form.
        InvalidBase64Error: the body is not base64, although the event says so.
    """
    if not isinstance(event, dict):
        raise InvalidRequestError(_expected_events(documents))
    if "httpMethod" not in event and event.keys() & IMAGE_MEMBERS:
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
        raise InvalidRequestError(_expected_events(documents))
    return ApiEvent(
        method=event["httpMethod"],
        resource=event["resource"],
        headers={name.lower(): value for name, value in headers.items()},
        body=_decode_body(body, is_base64=bool(event.get("isBase64Encoded"))),
        query=query,
    )


def _request_id(event: Any, context: "LambdaContext") -> str:
    # API Gateway's request ID, which is also in its access log and its own errors.
    request_context = event.get("requestContext") if isinstance(event, dict) else None
    request_id = request_context.get("requestId") if isinstance(request_context, dict) else None
    return request_id if request_id and isinstance(request_id, str) else context.aws_request_id


def _check_length(body: str) -> None:
    # The runtime writes the body as a JSON string, in which each quotation mark takes two
    # characters. Most bodies are too short for this to matter.
    if 2 * len(body) > MAX_RESPONSE_CHARACTERS < len(json.dumps(body)):
        raise ResponseTooLargeError


def _cors_headers(allowed_origin: str, headers: Mapping[str, str]) -> dict[str, str]:
    cors_headers = {"Access-Control-Allow-Origin": allowed_origin}
    if "Retry-After" in headers:
        # Without this header, pages of that origin cannot read Retry-After.
        cors_headers["Access-Control-Expose-Headers"] = "Retry-After"
    return cors_headers


def _error_response(error: ProxyError, request_id: str) -> dict[str, Any]:
    body = {"error": {"code": error.code, "message": error.message}, **error.members}
    response = _response(error.status, body, request_id)
    if error.retry_after_seconds is not None:
        response["headers"]["Retry-After"] = str(error.retry_after_seconds)
    return response


def _response(status: int, body: dict[str, Any], request_id: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps({**body, "request_id": request_id}),
        "isBase64Encoded": False,
    }


def _expected_events(documents: Sequence[str]) -> str:
    return (
        f"The event must be {', '.join(documents)} or that of an API Gateway REST API with proxy "
        "integration (payload format 1.0)."
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
