import gc
import json
import os
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from classifier_proxy.endpoint.describe import SageMakerEndpointStatus
from classifier_proxy.endpoint.invoke import InvokeLimits, SageMakerEndpoint
from classifier_proxy.errors import ProxyError, ResponseTooLargeError, to_proxy_error
from classifier_proxy.health import Health
from classifier_proxy.observability.instrument import InstrumentedEndpoint, measure_fetches
from classifier_proxy.observability.telemetry import Telemetry
from classifier_proxy.observability.xray import create_tracer
from classifier_proxy.requests import FetchImage
from classifier_proxy.routes import Routes, create_routes, parse_event, route_event
from classifier_proxy.settings import load_settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from classifier_proxy.image_url.fetch import ImageFetcher

Handler = Callable[[Any, Any], dict[str, Any]]

MAX_RESPONSE_CHARACTERS = 6 * 1024 * 1024 - 4096
"""Lambda returns 6 MB of JSON, which contains the body as a string; the rest is for headers."""


def create_handler(environment: Mapping[str, str], limits: InvokeLimits) -> Handler:
    """Create the Lambda handler, once for all requests.

    Args:
        environment: the process's environment variables.
        limits: timeouts and attempts of an invocation of the endpoint.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    settings = load_settings(environment)
    telemetry = Telemetry(settings)
    endpoint = InstrumentedEndpoint(
        SageMakerEndpoint(settings.endpoint_name, limits),
        telemetry,
        create_tracer(settings.endpoint_name, environment),
    )
    fetch_image = _create_fetch_image(settings.url_allowed_hosts, telemetry)
    health = Health(SageMakerEndpointStatus(settings.endpoint_name))
    routes = create_routes(endpoint, fetch_image, health)
    urls_allowed = fetch_image is not None

    # log_event=False overrides POWERTOOLS_LOGGER_LOG_EVENT: an event contains the caller's image
    # and API key.
    @telemetry.logger.inject_lambda_context(log_event=False, clear_state=True)
    def handle_event(event: Any, context: "LambdaContext") -> dict[str, Any]:
        response = handle_request(routes, telemetry, event, context, urls_allowed=urls_allowed)
        if settings.cors_allowed_origin:
            response["headers"] |= _cors_headers(settings.cors_allowed_origin, response["headers"])
        return response

    return handle_event


def handle_request(
    routes: Routes,
    telemetry: Telemetry,
    event: Any,
    context: "LambdaContext",
    *,
    urls_allowed: bool,
) -> dict[str, Any]:
    """Return the response to one request; every exception becomes a documented error.

    Args:
        routes: from `create_routes`.
        telemetry: logs and counts the request.
        event: an API Gateway REST proxy event or a direct invocation's, see `parse_event`.
        context: Lambda's context of the invocation.
        urls_allowed: whether `routes` fetch images by URL.

    Returns:
        An API Gateway proxy response.
    """
    request_id = _request_id(event, context)
    telemetry.start_request(request_id)
    try:
        result = route_event(
            routes,
            parse_event(event, urls_allowed=urls_allowed),
            lambda: context.get_remaining_time_in_millis() / 1000,
        )
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


def _create_fetch_image(allowed_hosts: Collection[str], telemetry: Telemetry) -> FetchImage | None:
    if not allowed_hosts:
        return None

    @cache
    def fetcher() -> "ImageFetcher":
        # Imported here, so that only an image by URL waits for it.
        from classifier_proxy.image_url.fetch import ImageFetcher

        return ImageFetcher(allowed_hosts)

    return measure_fetches(lambda url: fetcher().fetch(url), telemetry)


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


handle = create_handler(os.environ, InvokeLimits())
# Imported modules never become garbage. Without this, the garbage collector scans them during one
# of the first requests, which takes longer than the rest of that request.
gc.freeze()
