"""CloudFront on the plain-http port: the page, and the API under `/api`."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_evaluator
from ministack.services import cloudfront

_API_HOST = re.compile(r"([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com")

Response = tuple[int, dict[str, Any], bytes]


def install_api_origins(port: int) -> None:
    """Forward a distribution's requests for a REST API to the one deployed here.

    MiniStack rejects origins under amazonaws.com, so that no request leaves the machine.

    Args:
        port: the TLS port of this process.
    """
    cloudfront._forward_to_origin = _to_deployed_api(cloudfront._forward_to_origin, port)


def _to_deployed_api(original: Callable[..., Any], port: int) -> Callable[..., Any]:
    def forward(origin: dict[str, Any], method: str, uri: str, *rest: Any) -> Any:
        match = _API_HOST.fullmatch(origin["domain_name"])
        if match:
            stage, _, path = uri.lstrip("/").partition("/")
            uri = f"/restapis/{match[1]}/{stage}/_user_request_/{path}"
            origin = {**origin, "domain_name": "localhost", "https_port": port}
        return original(origin, method, uri, *rest)

    return forward


def find_distribution() -> dict[str, Any] | None:
    """Return the deployed distribution, or None; a stage has at most one."""
    return next(iter(cloudfront._distributions.values()), None)


async def respond_to_viewer(
    distribution: dict[str, Any], scope: Mapping[str, Any], body: bytes
) -> Response:
    """Return the response of a distribution to a viewer's request.

    Args:
        distribution: from `find_distribution`.
        scope: the request's ASGI scope.
        body: the request's whole body.

    Returns:
        Status, headers (a value may be a list) and body.
    """
    query = scope["query_string"].decode("latin-1")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    # The request counts as sent over TLS, because it does not leave this machine: otherwise the
    # distribution would redirect it, and the bucket's policy would deny it.
    headers["x-forwarded-proto"] = "https"
    iam_evaluator.pin_request_origin(scope["client"][0], secure_transport=True)
    response: Response = await cloudfront.handle_viewer_request(
        distribution,
        scope["method"],
        scope["path"],
        scope["raw_path"].decode("latin-1"),
        query,
        headers,
        body,
        parse_qs(query, keep_blank_values=True),
        scope["client"][0],
    )
    return response
