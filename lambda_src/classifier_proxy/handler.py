import gc
import json
import os
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from classifier_proxy.endpoint.describe import SageMakerEndpointStatus
from classifier_proxy.endpoint.invoke import CallLimits, SageMakerEndpoint
from classifier_proxy.error_table import answer_for
from classifier_proxy.errors import ResponseTooLargeError
from classifier_proxy.events import read_event
from classifier_proxy.health import Health
from classifier_proxy.observability.telemetry import Telemetry
from classifier_proxy.observability.timing import timed, timed_fetch
from classifier_proxy.observability.xray import trace
from classifier_proxy.requests import FetchPicture
from classifier_proxy.routes import Routes, answer_event, create_routes
from classifier_proxy.settings import load_settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from classifier_proxy.image_url.fetch import PictureFetcher

Handler = Callable[[Any, Any], dict[str, Any]]

MAX_RESPONSE_CHARACTERS = 6 * 1024 * 1024 - 4096
"""Lambda returns 6 MB of JSON, in which the body is a string; the rest is for headers."""


def create_handler(environment: Mapping[str, str], limits: CallLimits) -> Handler:
    """Put the function together, once for all its requests.

    Args:
        environment: the process's environment variables.
        limits: timeouts and attempts of a call of the endpoint.

    Returns:
        The Lambda handler, which does what `answer_request` says.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    settings = load_settings(environment)
    telemetry = Telemetry(settings)
    endpoint = trace(
        SageMakerEndpoint(settings.endpoint_name, limits), settings.endpoint_name, environment
    )
    health = Health(SageMakerEndpointStatus(settings.endpoint_name))
    fetch_picture = _fetch_picture_from(settings.url_allowed_hosts, telemetry)
    routes = create_routes(timed(endpoint, telemetry), fetch_picture, health)
    urls_allowed = fetch_picture is not None

    # log_event=False also overrules POWERTOOLS_LOGGER_LOG_EVENT: an event holds the caller's
    # picture and API key.
    @telemetry.logger.inject_lambda_context(log_event=False, clear_state=True)
    def handle_event(event: Any, context: "LambdaContext") -> dict[str, Any]:
        answer = answer_request(routes, telemetry, event, context, urls_allowed=urls_allowed)
        if settings.cors_allowed_origin:
            answer["headers"] |= _cors_headers(settings.cors_allowed_origin, answer["headers"])
        return answer

    return handle_event


def answer_request(
    routes: Routes,
    telemetry: Telemetry,
    event: Any,
    context: "LambdaContext",
    *,
    urls_allowed: bool,
) -> dict[str, Any]:
    """Answer one request in the documented form, whatever happens.

    Args:
        routes: what the API offers.
        telemetry: where the request is logged and counted.
        event: an API Gateway REST proxy event or a direct invocation's, as `read_event` says.
        context: Lambda's context of the invocation.
        urls_allowed: whether `routes` fetch images by URL.

    Returns:
        An API Gateway proxy answer.
    """
    request_id = _request_id(event, context)
    telemetry.start_request(request_id)
    try:
        result = answer_event(
            routes,
            read_event(event, urls_allowed=urls_allowed),
            lambda: context.get_remaining_time_in_millis() / 1000,
        )
        response = _response(200, result.body, request_id)
        _check_length(response["body"])
    except Exception as error:
        answer = answer_for(error)
        telemetry.record_failure(error, answer)
        failure = {"error": {"code": answer.code, "message": answer.message}, **answer.members}
        return _response(answer.status, failure, request_id, answer.retry_after_seconds)
    else:
        telemetry.record_success(result)
        return response
    finally:
        telemetry.end_request()


def _fetch_picture_from(
    allowed_hosts: Collection[str], telemetry: Telemetry
) -> FetchPicture | None:
    if not allowed_hosts:
        return None

    @cache
    def fetcher() -> "PictureFetcher":
        # Here, so that only who names a picture by its address waits for this import.
        from classifier_proxy.image_url.fetch import PictureFetcher

        return PictureFetcher(allowed_hosts)

    return timed_fetch(lambda url: fetcher().fetch(url), telemetry)


def _request_id(event: Any, context: "LambdaContext") -> str:
    # API Gateway's id, which its access log and its own error answers carry too.
    request_context = event.get("requestContext") if isinstance(event, dict) else None
    request_id = request_context.get("requestId") if isinstance(request_context, dict) else None
    return request_id if request_id and isinstance(request_id, str) else context.aws_request_id


def _check_length(body: str) -> None:
    # The runtime writes the body as a string of JSON: each quotation mark takes another character.
    # Most bodies are far too short to be measured so.
    if 2 * len(body) > MAX_RESPONSE_CHARACTERS < len(json.dumps(body)):
        raise ResponseTooLargeError


def _cors_headers(allowed_origin: str, headers: Mapping[str, str]) -> dict[str, str]:
    cors_headers = {"Access-Control-Allow-Origin": allowed_origin}
    if "Retry-After" in headers:
        # Without it a page of that origin cannot read when to try again.
        cors_headers["Access-Control-Expose-Headers"] = "Retry-After"
    return cors_headers


def _response(
    status: int, body: dict[str, Any], request_id: str, retry_after_seconds: int | None = None
) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(retry_after_seconds)
    return {
        "statusCode": status,
        "headers": headers,
        "body": json.dumps({**body, "request_id": request_id}),
        "isBase64Encoded": False,
    }


handle = create_handler(os.environ, CallLimits())
# All that was imported stays. Else one of the first requests waits while the collector looks
# through it for garbage, which takes longer than the rest of that request.
gc.freeze()
