"""Which predictions are listed: in the query, in JSON and in a form."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier_proxy.errors import InvalidTopKError, RequestError
from classifier_proxy.parameters import MAX_TOP_K, Parameters, parse_parameters
from tests.lambda_src.conftest import JPEG, Proxy, Response
from tests.lambda_src.events import REQUEST_ID
from tests.lambda_src.forms import form
from tests.lambda_src.stand_in import SageMakerRuntime, respond

MODEL = {"name": "digits", "version": "0123456789ab"}


def classes(*scores: float, score: str = "probability") -> dict[str, Any]:
    """What a container says of its classes, in their order."""
    predictions = [
        {"label": f"class {index}", "index": index, score: value}
        for index, value in enumerate(scores)
    ]
    return {"predictions": predictions, "model": MODEL}


def call(proxy: Proxy, place: str, parameters: dict[str, Any]) -> Response:
    """Send a JPEG with parameters in one of the three places."""
    if place == "query":
        return proxy.call(query=[(name, str(value)) for name, value in parameters.items()])
    if place == "form":
        fields = {name: str(value) for name, value in parameters.items()}
        body, content_type = form(JPEG, fields)
        return proxy.call(body, content_type=content_type)
    document = {"image": base64.b64encode(JPEG).decode(), **parameters}
    return proxy.call(json.dumps(document).encode(), content_type="application/json")


EVERY_PLACE = pytest.mark.parametrize("place", ["query", "json", "form"])


@EVERY_PLACE
@pytest.mark.parametrize(
    ("parameters", "attributes"),
    [
        ({}, set()),
        ({"top_k": 2}, {"top_k=2"}),
        ({"top_k": "3"}, {"top_k=3"}),
        ({"top_k": "0007"}, {"top_k=7"}),
        ({"top_k": MAX_TOP_K}, {f"top_k={MAX_TOP_K}"}),
        ({"top_k": MAX_TOP_K + 1}, {f"top_k={MAX_TOP_K}"}),
        ({"top_k": "0" * 40 + "9" * 60}, {f"top_k={MAX_TOP_K}"}),
        ({"top_k": "all"}, {"top_k=all"}),
        ({"order": "class"}, {"order=class"}),
        ({"order": "score", "scores": "probabilities"}, set()),
        ({"top_k": 2, "order": "score"}, {"top_k=2"}),
    ],
    ids=str,
)
def test_parameters_reach_the_container(
    proxy: Proxy,
    runtime: SageMakerRuntime,
    place: str,
    parameters: dict[str, Any],
    attributes: set[str],
) -> None:
    runtime.script = [respond(200, classes(0.25, 0.75))]

    assert call(proxy, place, parameters).status == 200
    sent = runtime.requests[0].headers["X-Amzn-SageMaker-Custom-Attributes"].split(",")
    assert len(sent) == len(set(sent))
    assert set(sent) == {"measurements=true", f"request_id={REQUEST_ID}", *attributes}


@EVERY_PLACE
def test_logits_are_requested_and_returned(
    proxy: Proxy, runtime: SageMakerRuntime, place: str
) -> None:
    runtime.script = [respond(200, classes(-1.5, 12.25, score="logit"))]

    response = call(proxy, place, {"order": "class", "scores": "logits"})

    assert response.status == 200
    assert response.body["predictions"] == classes(-1.5, 12.25, score="logit")["predictions"]
    attributes = runtime.requests[0].headers["X-Amzn-SageMaker-Custom-Attributes"]
    assert set(attributes.split(",")) == {
        "measurements=true",
        "order=class",
        "scores=logits",
        f"request_id={REQUEST_ID}",
    }


@EVERY_PLACE
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        *(({"top_k": value}, "invalid_top_k") for value in (
            0, -1, 1.5, "1e3", "", " 1", "+1", "1_0", "1,2", "٣", "ALL", "0", "000", "-3"
        )),
        *(({"order": value}, "invalid_order") for value in ("", "classes", "CLASS", "index")),
        *(({"scores": value}, "invalid_scores") for value in ("", "logit", "raw", "Logits")),
        ({"order": "class", "top_k": 3}, "invalid_order"),
        ({"order": "class", "top_k": "all"}, "invalid_order"),
    ],
    ids=str,
)  # fmt: skip
def test_other_values_are_refused_before_the_endpoint_is_invoked(
    proxy: Proxy, runtime: SageMakerRuntime, place: str, parameters: dict[str, Any], code: str
) -> None:
    response = call(proxy, place, parameters)

    assert (response.status, response.body["error"]["code"]) == (400, code)
    assert runtime.requests == []


@pytest.mark.parametrize(
    "value", [None, True, [], {}, [3], -(10**400), 3.0, float("nan"), "\ud800"]
)
def test_json_of_other_types_is_refused(proxy: Proxy, value: object) -> None:
    for name in ("top_k", "order", "scores"):
        response = call(proxy, "json", {name: value})
        assert (response.status, response.body["error"]["code"]) == (400, f"invalid_{name}")


@pytest.mark.parametrize(("place", "top_k"), [("json", 10**4000), ("query", "9" * 8000)])
def test_a_number_of_any_length_gives_all_classes(
    proxy: Proxy, runtime: SageMakerRuntime, place: str, top_k: object
) -> None:
    runtime.script = [respond(200, classes(0.25, 0.75))]

    assert call(proxy, place, {"top_k": top_k}).status == 200


@pytest.mark.parametrize(
    ("name", "value"), [("top_k", 3), ("order", "class"), ("scores", "logits")]
)
@pytest.mark.parametrize("again", ["query", "json", "form"])
def test_a_parameter_that_is_given_twice_is_refused(
    proxy: Proxy, runtime: SageMakerRuntime, name: str, value: object, again: str
) -> None:
    in_query = [(name, str(value))]
    body, content_type = {
        "query": (JPEG, "image/jpeg"),
        "json": (
            json.dumps({"image": base64.b64encode(JPEG).decode(), name: value}).encode(),
            "application/json",
        ),
        "form": form(JPEG, {name: str(value)}),
    }[again]
    query = in_query * 2 if again == "query" else in_query

    response = proxy.call(body, content_type=content_type, query=query)

    assert (response.status, response.body["error"]["code"]) == (400, f"invalid_{name}")
    assert "more than once" in response.body["error"]["message"]
    assert runtime.requests == []


def test_an_unknown_query_parameter_is_named(proxy: Proxy, runtime: SageMakerRuntime) -> None:
    response = proxy.call(query=[("topk", "3")])

    assert (response.status, response.body["error"]["code"]) == (400, "invalid_request")
    assert response.body["error"]["message"] == (
        "The query parameter 'topk' is unknown; the parameters are order, scores, top_k."
    )
    assert runtime.requests == []


def test_different_parameters_may_be_in_different_places(
    proxy: Proxy, runtime: SageMakerRuntime
) -> None:
    runtime.script = [respond(200, classes(1.0, 2.0, score="logit"))]
    document = {"image": base64.b64encode(JPEG).decode(), "scores": "logits"}
    body = json.dumps(document).encode()

    response = proxy.call(body, content_type="application/json", query=[("top_k", "2")])

    assert response.status == 200


@given(st.one_of(st.text(max_size=12), st.integers(), st.none(), st.booleans(), st.floats()))
def test_top_k_is_a_whole_number_or_all_or_refused(value: object) -> None:
    try:
        parameters = parse_parameters({}, {"top_k": value})
    except InvalidTopKError:
        return
    top_k = parameters.top_k
    assert top_k == "all" or (isinstance(top_k, int) and 1 <= top_k <= MAX_TOP_K)


@given(
    st.dictionaries(st.sampled_from(("top_k", "order", "scores", "x")), st.lists(st.text())),
    st.dictionaries(st.sampled_from(("top_k", "order", "scores", "image")), st.text()),
)
def test_any_query_and_members_are_parameters_or_refused(
    query: dict[str, list[str]], members: dict[str, str]
) -> None:
    with contextlib.suppress(RequestError):
        assert isinstance(parse_parameters(query, members), Parameters)
