"""One way to ask the deployed API, which lets no answer pass that is not documented."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.local.documented import check_documented
from tools.api_docs.error_rows import HEALTH, PREDICT
from tools.local.deployment import LocalDeployment


@dataclass(frozen=True)
class Request:
    """What is asked; the key goes with it unless `key` is another text."""

    body: bytes = b""
    content_type: str | None = "image/png"
    method: str = "POST"
    path: str = PREDICT
    query: str = ""
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came: header names in lower case, the body read where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


def send(deployment: LocalDeployment, request: Request) -> Answer:
    """Ask the API; fail where the OpenAPI document has no such answer."""
    address = urlsplit(deployment.api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=35)
    headers = {
        "x-api-key": deployment.api_key if request.key is None else request.key,
        **({"Content-Type": request.content_type} if request.content_type else {}),
        **request.headers,
    }
    path = f"{address.path}{request.path}{request.query}"
    connection.request(request.method, path, request.body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    received = {name.lower(): value for name, value in response.getheaders()}
    is_json = received["content-type"].startswith("application/json")
    answer = Answer(response.status, received, json.loads(content) if is_json else content.decode())
    # Whoever asks for what there is not gets the answers of an operation, too.
    operation = HEALTH if request.path == HEALTH else PREDICT
    check_documented(operation, answer.status, received["content-type"], answer.body)
    return answer


def ask(
    deployment: LocalDeployment,
    body: bytes,
    content_type: str | None = "image/png",
    *,
    query: str = "",
    key: str | None = None,
) -> tuple[int, Any]:
    """Ask for a prediction; return status and body."""
    answer = send(deployment, Request(body, content_type, query=query, key=key))
    return answer.status, answer.body
