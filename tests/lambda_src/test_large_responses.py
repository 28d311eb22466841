"""Every class of a large model, and what Lambda cannot return."""

import json
from typing import Any

import pytest

from classifier_proxy.endpoint.invoke import MAX_RESPONSE_BYTES
from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.events import proxy_event
from tests.lambda_src.stand_in import SageMakerRuntime, respond

LAMBDAS_BYTES = 6 * 1024 * 1024
"""Of the response's JSON; "Lambda quotas", synchronous invocations."""

ALL = [[("top_k", "all")], [("top_k", "21000")]]


def classes(count: int, label: str) -> dict[str, Any]:
    predictions = [
        {"label": f"{label} {index}", "index": index, "probability": 1 / count}
        for index in range(count)
    ]
    return {"predictions": predictions, "model": {"name": "m", "version": "1"}}


@pytest.mark.parametrize("query", [*ALL, [("order", "class")]])
@pytest.mark.parametrize("label", ["n02123045 tabby, tabby cat", "Katze äöü \U0001f408"])
def test_21_000_classes_are_returned(
    proxy: Proxy, runtime: SageMakerRuntime, query: list[tuple[str, str]], label: str
) -> None:
    document = classes(21_000, label)
    runtime.script = [respond(200, document)]

    response = proxy.handle(proxy_event(JPEG, query=query), proxy.context)

    assert response["statusCode"] == 200
    assert json.loads(response["body"])["predictions"] == document["predictions"]
    assert len(json.dumps(response)) < LAMBDAS_BYTES


@pytest.mark.parametrize("query", ALL)
@pytest.mark.parametrize(
    "document",
    [
        classes(21_000, "x" * 222),  # the endpoint's response has fewer bytes, Lambda's more
        classes(21_000, '"' * 80),
        classes(21_000, "é" * 50),
    ],
    ids=["long labels", "labels of quotation marks", "labels of other scripts"],
)
def test_more_than_lambda_returns_is_a_clear_refusal(
    proxy: Proxy, runtime: SageMakerRuntime, query: list[tuple[str, str]], document: dict[str, Any]
) -> None:
    content = json.dumps(document, ensure_ascii=False).encode()
    assert len(content) < MAX_RESPONSE_BYTES
    runtime.script = [respond(200, content)]

    response = proxy.call(query=query)

    assert (response.status, response.body["error"]["code"]) == (400, "response_too_large")
    assert "Request fewer with top_k" in response.body["error"]["message"]


def test_no_response_is_longer_than_lambda_returns(proxy: Proxy, runtime: SageMakerRuntime) -> None:
    at_the_limit = []
    for length in range(214, 222):
        runtime.script = [respond(200, classes(21_000, "x" * length))]
        response = proxy.handle(proxy_event(JPEG, query=ALL[0]), proxy.context)
        assert len(json.dumps(response)) < LAMBDAS_BYTES
        at_the_limit.append(response["statusCode"])

    assert set(at_the_limit) == {200, 400}


@pytest.mark.parametrize(("query", "status"), [(ALL[0], 400), (ALL[1], 400), ([], 502)])
def test_what_is_not_even_read_is_the_callers_fault_only_where_many_were_requested(
    proxy: Proxy, runtime: SageMakerRuntime, query: list[tuple[str, str]], status: int
) -> None:
    runtime.script = [respond(200, b"[" + b" " * MAX_RESPONSE_BYTES)]

    assert proxy.call(query=query).status == status
