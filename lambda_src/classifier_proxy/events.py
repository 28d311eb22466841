import base64
from dataclasses import dataclass, field
from typing import Any

from classifier_proxy.errors import InvalidBase64Error, InvalidRequestError


@dataclass(frozen=True)
class ApiEvent:
    """The parts of an event that routes look at.

    Powertools has a class for it, which brings those of all other events: a quarter of the start.

    Attributes:
        method: HTTP method.
        resource: API Gateway's resource, such as "/predict".
        headers: by lower-case name.
        body: the body's bytes.
        query: every value of each query parameter.
        document: of a direct invocation, what a JSON body would hold; None: it came by the API.
    """

    method: str
    resource: str
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes = b""
    query: dict[str, list[str]] = field(default_factory=dict)
    document: dict[str, Any] | None = None


def read_event(event: Any, *, urls_allowed: bool = False) -> ApiEvent:
    """Read an event as Lambda hands it over.

    Args:
        event: an API Gateway REST proxy event, or of a direct invocation an object with the
            members of a JSON body, `image` or `url` among them. Anybody who may invoke the
            function can send anything else.
        urls_allowed: whether this deployment fetches images by URL; the refusal then names `url`.

    Returns:
        What of it is looked at.

    Raises:
        InvalidRequestError: it is neither.
        InvalidBase64Error: the body is not the base64 that the event says it is.
    """
    if not isinstance(event, dict):
        raise InvalidRequestError(_refusal(urls_allowed=urls_allowed))
    if "httpMethod" not in event and event.keys() & {"image", "url"}:
        return ApiEvent("POST", "/predict", document=event)
    headers = event.get("headers") or {}
    query = event.get("multiValueQueryStringParameters") or {}
    body = event.get("body") or ""
    if not (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("resource"), str)
        and _is_table(headers, str | None)
        and _is_table(query, list)
        and all(isinstance(value, str) for values in query.values() for value in values)
        and isinstance(body, str)
    ):
        raise InvalidRequestError(_refusal(urls_allowed=urls_allowed))
    return ApiEvent(
        method=event["httpMethod"],
        resource=event["resource"],
        headers={name.lower(): value for name, value in headers.items()},
        body=_read_body(body, is_base64=bool(event.get("isBase64Encoded"))),
        query=query,
    )


def _refusal(*, urls_allowed: bool) -> str:
    url = ', {"url": "https://..."}' if urls_allowed else ""
    return (
        f'The event must be {{"image": "<base64>"}}{url} or that of an API Gateway REST API with '
        "proxy integration (payload format 1.0)."
    )


def _is_table(value: Any, kind: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, kind) for each in value.values())


def _read_body(text: str, *, is_base64: bool) -> bytes:
    # A picture is base64 here, as it is of one of the API's binary media types.
    if not is_base64:
        # A lone surrogate is no text; whoever looks at the bytes says what is wrong with them.
        return text.encode(errors="surrogatepass")
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise InvalidBase64Error("The body is not the base64 that the event says it is.") from error
