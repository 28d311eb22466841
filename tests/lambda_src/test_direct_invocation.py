"""Events that come by no API: `{"image": ...}` or `{"url": ...}`, and whatever else is sent."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lambda_src.conftest import JPEG, Proxy, Response
from tests.lambda_src.events import proxy_event
from tests.lambda_src.stand_in import CLASSIFICATION, SageMakerRuntime

IMAGE = base64.b64encode(JPEG).decode()


def invoke(proxy: Proxy, event: Any) -> Response:
    response = proxy.call_event(event)
    assert response.body["request_id"] == proxy.context.aws_request_id
    return response


def test_an_image_is_classified_as_by_the_api(proxy: Proxy, runtime: SageMakerRuntime) -> None:
    response = invoke(proxy, {"image": IMAGE, "top_k": 2, "scores": "probabilities"})

    assert response.status == 200
    assert response.headers == proxy.call(JPEG).headers
    assert response.body == {**CLASSIFICATION, "request_id": proxy.context.aws_request_id}
    sent = runtime.requests[0]
    assert (sent.body, sent.headers["Content-Type"]) == (JPEG, "image/jpeg")
    assert "top_k=2" in sent.headers["X-Amzn-SageMaker-Custom-Attributes"]


def test_half_a_surrogate_pair_is_logged(proxy: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    event = proxy_event(JPEG)
    event["requestContext"]["requestId"] = "\ud800"

    assert proxy.call_event(event).status == 200

    printed = capsys.readouterr()
    assert printed.err == ""
    [line] = [line for line in printed.out.splitlines() if "request succeeded" in line]
    assert json.loads(line)["correlation_id"] == "\ud800"


def test_it_is_counted_and_logged_as_a_request_of_the_api_is(
    proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke(proxy, {"image": IMAGE})
    invoke(proxy, {"image": ""})

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logged = [line for line in lines if "_aws" not in line]
    assert [line["status"] for line in logged] == [200, 400]
    assert {line["correlation_id"] for line in logged} == {proxy.context.aws_request_id}
    metrics = [line for line in lines if "_aws" in line]
    assert metrics[0]["Predictions"] == 1
    assert metrics[1]["RejectedRequests"] == 1
    assert not any(IMAGE in json.dumps(line) for line in lines)


def test_the_allowed_origin_is_named(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGIN", "https://app.example.com")

    response = invoke(proxy, {"image": IMAGE})

    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"url": "https://images.example.com/cat.jpg"}, "url_disabled"),
        ({"url": None}, "invalid_request"),
        ({"image": None}, "invalid_request"),
        ({"image": 1}, "invalid_request"),
        ({"image": ""}, "empty_body"),
        ({"image": "%%%"}, "invalid_base64"),
        ({"image": IMAGE, "url": None}, "invalid_request"),
        ({"image": IMAGE, "topk": 3}, "invalid_request"),
        ({"image": IMAGE, "top_k": 0}, "invalid_top_k"),
        ({"image": IMAGE, "top_k": None}, "invalid_top_k"),
        ({"image": IMAGE, "order": "index"}, "invalid_order"),
        ({"image": IMAGE, "scores": []}, "invalid_scores"),
    ],
    ids=str,
)
def test_a_wrong_member_is_refused_as_in_json(
    proxy: Proxy, runtime: SageMakerRuntime, event: Any, code: str
) -> None:
    response = invoke(proxy, event)

    assert (response.status, response.body["error"]["code"]) == (400, code)
    assert runtime.requests == []


def test_a_url_on_a_host_that_is_not_allowed_is_refused(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URL_ALLOWED_HOSTS", "images.example.com")

    response = invoke(proxy, {"url": "https://another.example.com/cat.jpg"})

    assert (response.status, response.body["error"]["code"]) == (400, "url_not_allowed")


S3_EVENT = {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "cat.jpg"}}}]}
HTTP_API_EVENT = {
    "version": "2.0",
    "routeKey": "POST /predict",
    "rawPath": "/predict",
    "requestContext": {"http": {"method": "POST", "path": "/predict"}, "requestId": 7},
    "isBase64Encoded": False,
}
REST = proxy_event(JPEG)
OTHER_EVENTS = [
    {},
    [],
    None,
    0,
    True,
    "image",
    [{"image": IMAGE}],
    {"body": json.dumps({"image": IMAGE})},
    {"Image": IMAGE},
    {"requestContext": None},
    {"httpMethod": "GET"},
    {"httpMethod": None, "resource": "/health"},
    {"httpMethod": "GET", "resource": None},
    {"httpMethod": "POST", "image": IMAGE},
    S3_EVENT,
    HTTP_API_EVENT,
    {key: None for key in REST if key != "requestContext"},
    *(
        {**{key: value for key, value in REST.items() if key != "requestContext"}, **changes}
        for changes in (
            {"headers": [["Content-Type", "image/jpeg"]]},
            {"headers": {"Content-Type": ["image/jpeg"]}},
            {"body": 7},
            {"body": {"image": IMAGE}},
            {"multiValueQueryStringParameters": {"top_k": "3"}},
            {"multiValueQueryStringParameters": {"top_k": [3]}},
            {"multiValueQueryStringParameters": {"top_k": None}},
            {"multiValueQueryStringParameters": ["top_k"]},
            {"httpMethod": ["POST"]},
        )
    ),
]


@pytest.mark.parametrize("event", OTHER_EVENTS, ids=lambda event: str(event)[:60])
def test_any_other_event_is_refused_in_the_same_shape(
    proxy: Proxy, runtime: SageMakerRuntime, event: Any
) -> None:
    response = invoke(proxy, event)

    assert (response.status, response.body["error"]["code"]) == (400, "invalid_request")
    assert response.body["error"]["message"].startswith(
        'The event must be {"image": "<base64>"} or'
    )
    assert response.headers == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert runtime.requests == []


def test_the_refusal_names_url_where_the_deployment_fetches_any(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URL_ALLOWED_HOSTS", "images.example.com")

    response = invoke(proxy, S3_EVENT)

    assert (response.status, response.body["error"]["code"]) == (400, "invalid_request")
    assert response.body["error"]["message"].startswith(
        'The event must be {"image": "<base64>"}, {"url": "https://..."} or that of'
    )


@pytest.mark.parametrize("context", [None, [], "x", {}, {"requestId": None}, {"requestId": 7}])
def test_an_event_of_the_api_without_its_id_has_that_of_the_invocation(
    proxy: Proxy, context: object
) -> None:
    assert invoke(proxy, {**REST, "requestContext": context}).status == 200


@pytest.mark.parametrize("name", ["multiValueQueryStringParameters", "headers", "body"])
def test_members_that_are_null_are_as_good_as_missing(proxy: Proxy, name: str) -> None:
    without = {key: value for key, value in REST.items() if key != name}

    assert proxy.call_event({**REST, name: None}) == proxy.call_event(without)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just(IMAGE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("image", "url", "top_k", "order", "scores", *REST))
            | st.text(max_size=9),
            inner,
            max_size=6,
        )
    ),
    max_leaves=9,
)


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(event=JSON_VALUES)
def test_no_event_is_our_fault(proxy: Proxy, event: Any) -> None:
    response = proxy.call_event(event)

    assert response.status < 500, response
    assert response.status == 200 or response.body["error"].keys() == {"code", "message"}
