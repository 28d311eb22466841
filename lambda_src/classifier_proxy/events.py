import base64
from dataclasses import dataclass
from typing import Any

from classifier_proxy.errors import InvalidBase64Error


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

    Raises:
        InvalidBase64Error: the body is not the base64 that the event says it is.
    """
    return ApiEvent(
        method=event["httpMethod"],
        resource=event["resource"],
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=_read_body(event.get("body") or "", is_base64=bool(event.get("isBase64Encoded"))),
        query=event.get("multiValueQueryStringParameters") or {},
    )


def _read_body(text: str, *, is_base64: bool) -> bytes:
    # A picture is base64 here, as it is of one of the API's binary media types.
    if not is_base64:
        # A lone surrogate is no text; whoever looks at the bytes says what is wrong with them.
        return text.encode(errors="surrogatepass")
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise InvalidBase64Error("The body is not the base64 that the event says it is.") from error
