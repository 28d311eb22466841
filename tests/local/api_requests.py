"""Sends requests to the deployed API and checks that each response is documented."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.local.documented import check_documented
from tools.api_docs.error_rows import HEALTH, PREDICT, UPLOADS
from tools.local.deployment import LocalDeployment


@dataclass(frozen=True)
class Request:
    """A request; None as `key` sends the deployment's API key."""

    body: bytes = b""
    content_type: str | None = "image/png"
    method: str = "POST"
    path: str = PREDICT
    query: str = ""
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """A response; header names are in lower case, a JSON body is parsed."""

    status: int
    headers: dict[str, str]
    body: Any


def send(deployment: LocalDeployment, request: Request) -> Response:
    """Send a request; fail if the OpenAPI document has no such response."""
    address = urlsplit(deployment.api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=35)
    headers = {
        "x-api-key": deployment.api_key if request.key is None else request.key,
        **({"Content-Type": request.content_type} if request.content_type else {}),
        **request.headers,
    }
    path = f"{address.path}{request.path}{request.query}"
    connection.request(request.method, path, request.body, headers)
    received = connection.getresponse()
    content = received.read()
    connection.close()
    received_headers = {name.lower(): value for name, value in received.getheaders()}
    is_json = received_headers["content-type"].startswith("application/json")
    parsed: Any = json.loads(content) if is_json else content.decode()
    response = Response(received.status, received_headers, parsed)
    if isinstance(parsed, dict) and "request_id" in parsed:
        assert received_headers["x-amzn-requestid"] == parsed["request_id"]
    # Other paths have the error responses of the operations too.
    operation = request.path if request.path in {HEALTH, UPLOADS} else PREDICT
    check_documented(operation, response.status, received_headers["content-type"], response.body)
    return response


def classify(
    deployment: LocalDeployment,
    body: bytes,
    content_type: str | None = "image/png",
    *,
    query: str = "",
    key: str | None = None,
) -> tuple[int, Any]:
    """Send an image to be classified; return status and body."""
    response = send(deployment, Request(body, content_type, query=query, key=key))
    return response.status, response.body
