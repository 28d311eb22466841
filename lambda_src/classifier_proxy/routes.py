import base64
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from classifier_proxy.errors import RouteNotFoundError
from classifier_proxy.health import Health
from classifier_proxy.schemas import parse_request
from classifier_proxy.service import Endpoint, classify

RemainingSeconds = Callable[[], float]
Route = Callable[[APIGatewayProxyEvent, RemainingSeconds], dict[str, Any]]
"""Answers one event with the body of a 200, or raises a `ProxyError`."""

Routes = Mapping[tuple[str, str], Route]
"""A route for each method and API Gateway resource."""


PREDICT, HEALTH = ("POST", "/predict"), ("GET", "/health")


def create_routes(endpoint: Endpoint, health: Health) -> Routes:
    """Say what the API offers.

    Args:
        endpoint: whom the predictions are asked of.
        health: knows whether it is in service.

    Returns:
        The routes by method and resource.
    """

    def predict(event: APIGatewayProxyEvent, remaining_seconds: RemainingSeconds) -> dict[str, Any]:
        request = parse_request(
            event.headers.get("content-type"), _body(event), _query_values(event, "top_k")
        )
        return classify(request, endpoint, remaining_seconds)

    return {PREDICT: predict, HEALTH: lambda _event, _remaining_seconds: health.check()}


def answer_event(
    routes: Routes, event: APIGatewayProxyEvent, remaining_seconds: RemainingSeconds
) -> dict[str, Any]:
    """Find the event's route and let it answer.

    Args:
        routes: as `create_routes` makes them.
        event: an API Gateway REST proxy event.
        remaining_seconds: tells how many seconds are left before this function is stopped.

    Returns:
        The body of a 200.

    Raises:
        ProxyError: one of its kinds.
    """
    route = routes.get((event.http_method, event.resource))
    if route is None:
        raise RouteNotFoundError
    return route(event, remaining_seconds)


def _body(event: APIGatewayProxyEvent) -> bytes:
    # The event's own `decoded_body` is text; a picture is not.
    body = event.body or ""
    return base64.b64decode(body) if event.is_base64_encoded else body.encode()


def _query_values(event: APIGatewayProxyEvent, name: str) -> list[str]:
    # `resolved_query_string_parameters` would split a value at its commas.
    return event.multi_value_query_string_parameters.get(name, [])
