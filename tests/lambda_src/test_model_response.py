import json
import math
from typing import Any

import pytest

from classifier_proxy.errors import InvalidEndpointResponseError
from classifier_proxy.model_response import Response, parse_classification, parse_rejection
from classifier_proxy.parameters import Parameters
from tests.cpu_time import check_cpu_time

PREDICTION = {"label": "tabby cat", "index": 281, "probability": 0.75}
MODEL = {"name": "resnet50", "version": "0123456789ab"}
CLASSIFICATION = {"predictions": [PREDICTION, PREDICTION], "model": MODEL}


@pytest.mark.parametrize("top_k", [None, 2, 5])
def test_the_documented_response_is_accepted(top_k: int | None) -> None:
    response = parse_classification(json.dumps(CLASSIFICATION).encode(), Parameters(top_k))

    assert response == Response(CLASSIFICATION, top_prediction=PREDICTION, top_probability=0.75)


@pytest.mark.parametrize(("index", "probability"), [(0, 0), (0, 1), (999, 1.0), (1, 1e-12)])
def test_the_bounds_belong_to_it(index: int, probability: float) -> None:
    predictions = [{**PREDICTION, "index": index, "probability": probability}]
    raw = json.dumps({"predictions": predictions, "model": MODEL}).encode()

    assert parse_classification(raw, Parameters(1)).body["predictions"] == predictions


def test_what_is_not_documented_is_left_out() -> None:
    raw = json.dumps(
        {"predictions": [{**PREDICTION, "x": 1}], "model": {**MODEL, "x": 1}, "host": "10.0.0.1"}
    ).encode()

    assert parse_classification(raw, Parameters(1)).body == {
        "predictions": [PREDICTION],
        "model": MODEL,
    }


def classes(*scores: float, score: str = "probability") -> dict[str, Any]:
    return {
        "predictions": [
            {"label": f"class {index}", "index": index, score: value}
            for index, value in enumerate(scores)
        ],
        "model": MODEL,
    }


def parse(document: object, parameters: Parameters) -> Response:
    return parse_classification(json.dumps(document).encode(), parameters)


def test_every_class_in_order_has_its_best_found() -> None:
    document = classes(0.25, 0.5, 0.25)

    response = parse(document, Parameters(order="class"))

    assert response.body == document
    assert response.top_prediction == document["predictions"][1]
    assert response.top_probability == 0.5


@pytest.mark.parametrize("parameters", [Parameters(order="class"), Parameters("all")])
def test_all_classes_are_each_index_once_and_two_at_least(parameters: Parameters) -> None:
    parse(classes(0.5, 0.5), parameters)
    missing, doubled = classes(0.5, 0.25, 0.25), classes(0.5, 0.25, 0.25)
    del missing["predictions"][1]
    doubled["predictions"][1] = doubled["predictions"][0]
    for document in (classes(1.0), missing, doubled):
        with pytest.raises(InvalidEndpointResponseError):
            parse(document, parameters)


def test_only_all_by_score_may_be_in_another_order_than_the_labels() -> None:
    document = classes(0.25, 0.75)
    document["predictions"].reverse()

    assert parse(document, Parameters("all")).body == document
    with pytest.raises(InvalidEndpointResponseError):
        parse(document, Parameters(order="class"))


def test_fewer_than_top_k_are_all_there_are() -> None:
    assert parse(classes(0.5, 0.5), Parameters(5)).body == classes(0.5, 0.5)


@pytest.mark.parametrize("logits", [(-1.5, 12.25, 0.0), (0, 0), (1e300, -1e300), (-1e308, 1e308)])
@pytest.mark.parametrize("parameters", [("all", "score"), (None, "class")])
def test_logits_of_all_classes_tell_the_top_probability(
    logits: tuple[float, ...], parameters: tuple[str | None, str]
) -> None:
    top_k, order = parameters
    document = classes(*logits, score="logit")

    response = parse(document, Parameters(top_k, order, "logits"))

    assert response.body == document
    assert response.top_prediction == document["predictions"][logits.index(max(logits))]
    softmax = [math.exp(logit - max(logits)) for logit in logits]
    assert response.top_probability == pytest.approx(max(softmax) / sum(softmax))


@pytest.mark.parametrize("top_k", [None, 2, 1000])
def test_logits_of_some_classes_tell_no_probability(top_k: int | None) -> None:
    response = parse(classes(3.5, -2.0, score="logit"), Parameters(top_k, scores="logits"))

    assert response.top_prediction == {"label": "class 0", "index": 0, "logit": 3.5}
    assert response.top_probability is None


@pytest.mark.parametrize(
    "logit", ["0.5", True, None, float("nan"), float("inf"), -float("inf"), 10**400]
)
def test_a_logit_is_a_finite_number(logit: object) -> None:
    document = classes(1.0, 2.0, score="logit")
    document["predictions"][1]["logit"] = logit

    with pytest.raises(InvalidEndpointResponseError):
        parse(document, Parameters(scores="logits"))


def test_the_requested_scores_are_returned_and_no_others() -> None:
    both = {**PREDICTION, "logit": 4.0}
    document = {"predictions": [both], "model": MODEL}

    assert parse(document, Parameters()).body["predictions"] == [PREDICTION]
    for other in (Parameters(scores="logits"), Parameters()):
        score = "probability" if other.scores == "logits" else "logit"
        alone = classes(0.5, score=score)
        with pytest.raises(InvalidEndpointResponseError):
            parse(alone, other)


@pytest.mark.parametrize(
    ("sent", "taken", "invalid"),
    [
        ({"entropy": 0.5, "brightness": 1}, {"entropy": 0.5, "brightness": 1}, []),
        ({"entropy": 0.5, "brightness": 1.5}, {"entropy": 0.5}, ["brightness"]),
        ({"sharpness": float("nan")}, {}, ["sharpness"]),
        (None, {}, ["entropy", "brightness", "sharpness"]),
    ],
)
def test_measurements_are_kept_apart_from_the_body(
    sent: object, taken: dict[str, float], invalid: list[str]
) -> None:
    raw = json.dumps({**CLASSIFICATION, "measurements": sent}).encode()

    response = parse_classification(raw, Parameters(2))

    assert response == Response(CLASSIFICATION, taken, invalid, PREDICTION, 0.75)


@pytest.mark.parametrize(
    "changes",
    [
        {"label": 281},
        {"label": ""},
        {"index": "281"},
        {"index": True},
        {"index": 1.0},
        {"index": -1},
        {"probability": "0.5"},
        {"probability": False},
        {"probability": None},
        {"probability": 1.01},
        {"probability": -0.01},
        {"probability": float("nan")},
        {"probability": float("inf")},
    ],
)
def test_a_prediction_of_another_form_is_refused(changes: dict[str, object]) -> None:
    raw = json.dumps({"predictions": [{**PREDICTION, **changes}], "model": MODEL}).encode()

    with pytest.raises(InvalidEndpointResponseError):
        parse_classification(raw, Parameters())


@pytest.mark.parametrize("missing", sorted(PREDICTION))
def test_a_prediction_without_a_key_is_refused(missing: str) -> None:
    prediction = {key: value for key, value in PREDICTION.items() if key != missing}

    with pytest.raises(InvalidEndpointResponseError):
        parse_classification(
            json.dumps({"predictions": [prediction], "model": MODEL}).encode(), Parameters()
        )


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        "text",
        {},
        {"model": MODEL},
        {"predictions": [PREDICTION]},
        {"predictions": [], "model": MODEL},
        {"predictions": [PREDICTION] * 3, "model": MODEL},
        {"predictions": ["tabby cat"], "model": MODEL},
        {"predictions": PREDICTION, "model": MODEL},
        {"predictions": [PREDICTION], "model": {"name": "resnet50"}},
        {"predictions": [PREDICTION], "model": {"name": "resnet50", "version": 7}},
        {"predictions": [PREDICTION], "model": "resnet50"},
    ],
)
def test_a_document_of_another_form_is_refused(document: object) -> None:
    with pytest.raises(InvalidEndpointResponseError):
        parse_classification(json.dumps(document).encode(), Parameters(2))


@pytest.mark.parametrize("raw", [b"", b"<html>", b"\xff\xfe{}", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidEndpointResponseError):
        parse_classification(raw, Parameters())


def test_the_containers_message_is_cut() -> None:
    raw = json.dumps({"code": "image_too_large", "message": "x" * 5000})
    rejection = parse_rejection(413, raw)

    assert (rejection.status, rejection.code, str(rejection)) == (413, "image_too_large", "x" * 500)


@pytest.mark.parametrize("code", ["too_large", "unreadable_image", "rejected_by_model", "X Y"])
def test_a_code_that_no_document_has_with_this_status_is_not_passed_on(code: str) -> None:
    rejection = parse_rejection(413, json.dumps({"code": code, "message": "It is a poster."}))

    assert (rejection.status, rejection.code) == (413, "rejected_by_model")
    assert str(rejection) == "It is a poster."


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "<html>",
        "[]",
        "[" * 100_000,
        '{"code": "bad"}',
        '{"message": "bad"}',
        '{"code": 1, "message": "bad"}',
        '{"code": "bad", "message": ""}',
    ],
)
def test_a_container_without_the_documented_words_is_given_some(raw: str) -> None:
    rejection = parse_rejection(422, raw)

    assert (rejection.status, rejection.code) == (422, "rejected_by_model")
    assert str(rejection) == "The model rejected the image."


@pytest.mark.parametrize(
    "part", [b"[],", b"{},", b"1,", b'{"a":1},', b"[" * 900 + b"]" * 900 + b","]
)
def test_a_response_of_many_values_costs_little(part: bytes) -> None:
    flood = b'{"predictions": [' + part * (5_000_000 // len(part)) + b"1]}"

    def refuse() -> None:
        with pytest.raises(InvalidEndpointResponseError):
            parse_classification(flood, Parameters(top_k="all"))

    # It takes up to 0.28 s beside other work; without a limit, many lists took 1.06 s.
    check_cpu_time(refuse, max_seconds=0.5)
