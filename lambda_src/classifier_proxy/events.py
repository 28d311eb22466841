import base64
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ApiEvent:
    """The parts of an API Gateway REST proxy event that routes look at.

    Powertools has a class for it, which brings those of all other events: a quarter of the start.

    Attributes:
        method: HTTP method.
        resource: API Gateway's resource, such as "/predict".
        headers: by lower-case name.
        body: the body's bytes.
        query: every value of each query parameter.
    """

    method: str
    resource: str
    headers: dict[str, str]
    body: bytes
    query: dict[str, list[str]]


def read_event(event: dict[str, Any]) -> ApiEvent:
    """Read an event as Lambda hands it over.

    Args:
        event: an API Gateway REST proxy event.

    Returns:
        What of it is looked at.
    """
    # A picture is base64 here, as it is of one of the API's binary media types.
    text = event.get("body") or ""
    return ApiEvent(
        method=event["httpMethod"],
        resource=event["resource"],
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=base64.b64decode(text) if event.get("isBase64Encoded") else text.encode(),
        query=event.get("multiValueQueryStringParameters") or {},
    )
