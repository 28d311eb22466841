"""The deployed function, invoked without the API, as a Lambda test event does."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.lambda_src.test_direct_invocation import OTHER_EVENTS
from tests.local.api_requests import classify
from tests.local.documented import check_documented
from tests.local.functions import ALIAS_NAME, proxy_function
from tests.local.test_api import GOOD
from tools.api_docs.error_rows import PREDICT
from tools.local.deployment import LocalDeployment

IMAGE = base64.b64encode(GOOD).decode()

Invoke = Callable[[Any], tuple[int, Any]]


@pytest.fixture(scope="module")
def invoke(client: Callable[[str], Any]) -> Invoke:
    """Invoke the alias that the API invokes; return status and body of a documented response."""
    function = proxy_function(client)

    def send(event: Any) -> tuple[int, Any]:
        invoked = client("lambda").invoke(
            FunctionName=function, Qualifier=ALIAS_NAME, Payload=json.dumps(event).encode()
        )
        assert "FunctionError" not in invoked
        response = json.loads(invoked["Payload"].read())
        assert response.keys() == {"statusCode", "headers", "body", "isBase64Encoded"}
        assert response["isBase64Encoded"] is False
        body = json.loads(response["body"])
        status, content_type = response["statusCode"], response["headers"]["Content-Type"]
        check_documented(PREDICT, status, content_type, body)
        return status, body

    return send


def test_an_image_is_classified_as_by_the_api(invoke: Invoke, deployment: LocalDeployment) -> None:
    _, by_api = classify(deployment, GOOD, query="?top_k=3")
    status, body = invoke({"image": IMAGE, "top_k": 3})
    assert status == 200, body
    assert body["predictions"] == by_api["predictions"]
    assert body["model"] == by_api["model"]
    assert body["request_id"]


def test_every_class_by_a_direct_invocation(invoke: Invoke, manifest: dict[str, Any]) -> None:
    status, body = invoke({"image": IMAGE, "order": "class", "scores": "logits"})
    assert status == 200, body
    assert [item["label"] for item in body["predictions"]] == manifest["labels"]
    assert all("logit" in item for item in body["predictions"])


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        ({"url": "https://images.example.com/cat.jpg"}, 400, "url_disabled"),
        ({"image": IMAGE, "top_k": 0}, 400, "invalid_top_k"),
        ({"image": IMAGE, "order": "class", "top_k": 3}, 400, "invalid_order"),
        ({"image": ""}, 400, "empty_body"),
        ({"image": "%"}, 400, "invalid_base64"),
        ({"image": None}, 400, "invalid_request"),
        ({"image": base64.b64encode(b"GIF89a").decode()}, 415, "unsupported_image"),
    ],
)
def test_a_wrong_member_is_refused_as_by_the_api(
    invoke: Invoke, event: Any, status: int, code: str
) -> None:
    received, body = invoke(event)
    assert (received, body["error"]["code"]) == (status, code), body


@pytest.mark.parametrize("event", OTHER_EVENTS, ids=lambda event: str(event)[:60])
def test_any_other_event_is_refused_in_the_same_shape(invoke: Invoke, event: Any) -> None:
    status, body = invoke(event)
    assert (status, body["error"]["code"]) == (400, "invalid_request"), body
