"""Events that API Gateway would not make, but a caller that may invoke the function can."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.events import BINARY_MEDIA_TYPES, proxy_event

# Lone surrogates are no text, but JSON, and so an event, can hold them.
ANY_TEXT = strategies.text(strategies.characters(exclude_categories=()))
OPTIONAL_TEXT = strategies.none() | ANY_TEXT
CONTENT_TYPES = strategies.sampled_from((*BINARY_MEDIA_TYPES, "application/json")) | OPTIONAL_TEXT


@pytest.mark.parametrize(
    ("content_type", "body", "is_base64", "code"),
    [
        ("image/jpeg", "AAA", True, "invalid_base64"),
        ("image/jpeg", "é", True, "invalid_base64"),
        ("image/jpeg", "\ud800", True, "invalid_base64"),
        ("image/jpeg", "\ud800", False, "unsupported_image"),
        ("application/json", '{"image": "\ud800"}', False, "invalid_base64"),
        ("application/json", "\ud800", False, "invalid_json"),
    ],
)
def test_a_body_that_is_no_text_or_no_base64_is_the_callers_fault(
    proxy: Proxy, content_type: str, body: str, is_base64: bool, code: str
) -> None:
    event = proxy_event(b"", content_type=content_type)
    event |= {"body": body, "isBase64Encoded": is_base64}

    response = proxy.call_event(event)

    assert response.status < 500
    assert response.body["error"]["code"] == code


# The fixture is one function for all examples, which keeps nothing of an event.
@settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    body=OPTIONAL_TEXT,
    is_base64=strategies.none() | strategies.booleans(),
    headers=strategies.none()
    | strategies.dictionaries(ANY_TEXT, OPTIONAL_TEXT)
    | CONTENT_TYPES.map(lambda content_type: {"Content-Type": content_type}),
    query=strategies.none()
    | strategies.dictionaries(ANY_TEXT, strategies.lists(ANY_TEXT))
    | strategies.lists(ANY_TEXT).map(lambda values: {"top_k": values}),
)
def test_no_event_of_the_documented_form_is_our_fault(
    proxy: Proxy,
    body: str | None,
    is_base64: bool | None,
    headers: dict[str, str | None] | None,
    query: dict[str, list[str]] | None,
) -> None:
    event: dict[str, Any] = proxy_event(JPEG)
    event |= {
        "body": body,
        "isBase64Encoded": is_base64,
        "headers": headers,
        "multiValueQueryStringParameters": query,
    }

    response = proxy.call_event(event)

    assert response.status < 500, response
