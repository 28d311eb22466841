from collections.abc import Callable, Mapping

from classifier_proxy.errors import RouteNotFoundError
from classifier_proxy.events import ApiEvent
from classifier_proxy.health import Health
from classifier_proxy.model_response import Answer
from classifier_proxy.requests import FetchPicture, parse_request
from classifier_proxy.service import Endpoint, classify

RemainingSeconds = Callable[[], float]
Route = Callable[[ApiEvent, RemainingSeconds], Answer]
"""Answers one event with a 200, or raises a `ProxyError`."""

Routes = Mapping[tuple[str, str], Route]
"""A route for each method and API Gateway resource."""


def create_routes(endpoint: Endpoint, fetch_picture: FetchPicture | None, health: Health) -> Routes:
    """Say what the API offers.

    Args:
        endpoint: whom the predictions are asked of.
        fetch_picture: for pictures that are named by their address; None: these are refused.
        health: knows whether it is in service.

    Returns:
        The routes by method and resource.
    """

    def predict(event: ApiEvent, remaining_seconds: RemainingSeconds) -> Answer:
        return classify(parse_request(event, fetch_picture), endpoint, remaining_seconds)

    return {
        ("POST", "/predict"): predict,
        ("GET", "/health"): lambda _event, _remaining_seconds: Answer(health.check()),
    }


def answer_event(routes: Routes, event: ApiEvent, remaining_seconds: RemainingSeconds) -> Answer:
    """Find the event's route and let it answer.

    Args:
        routes: as `create_routes` makes them.
        event: the request.
        remaining_seconds: tells how many seconds are left before this function is stopped.

    Returns:
        What the 200 says.

    Raises:
        ProxyError: one of its kinds.
    """
    route = routes.get((event.method, event.resource))
    if route is None:
        raise RouteNotFoundError
    return route(event, remaining_seconds)
