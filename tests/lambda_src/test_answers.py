import json

import pytest

from classifier_proxy.answers import Answer, parse_classification, parse_rejection
from classifier_proxy.errors import InvalidEndpointAnswerError

PREDICTION = {"label": "tabby cat", "index": 281, "probability": 0.75}
MODEL = {"name": "resnet50", "version": "0123456789ab"}
CLASSIFICATION = {"predictions": [PREDICTION, PREDICTION], "model": MODEL}


@pytest.mark.parametrize("top_k", [None, 2, 5])
def test_the_documented_answer_is_taken(top_k: int | None) -> None:
    answer = parse_classification(json.dumps(CLASSIFICATION).encode(), top_k)

    assert answer == Answer(CLASSIFICATION)


@pytest.mark.parametrize(("index", "probability"), [(0, 0), (0, 1), (999, 1.0), (1, 1e-12)])
def test_the_bounds_belong_to_it(index: int, probability: float) -> None:
    predictions = [{**PREDICTION, "index": index, "probability": probability}]
    raw = json.dumps({"predictions": predictions, "model": MODEL}).encode()

    assert parse_classification(raw, 1).body["predictions"] == predictions


def test_what_is_not_documented_is_left_out() -> None:
    raw = json.dumps(
        {"predictions": [{**PREDICTION, "x": 1}], "model": {**MODEL, "x": 1}, "host": "10.0.0.1"}
    ).encode()

    assert parse_classification(raw, 1).body == {"predictions": [PREDICTION], "model": MODEL}


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

    assert parse_classification(raw, 2) == Answer(CLASSIFICATION, taken, invalid)


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

    with pytest.raises(InvalidEndpointAnswerError):
        parse_classification(raw, None)


@pytest.mark.parametrize("missing", sorted(PREDICTION))
def test_a_prediction_without_a_key_is_refused(missing: str) -> None:
    prediction = {key: value for key, value in PREDICTION.items() if key != missing}

    with pytest.raises(InvalidEndpointAnswerError):
        parse_classification(
            json.dumps({"predictions": [prediction], "model": MODEL}).encode(), None
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
    with pytest.raises(InvalidEndpointAnswerError):
        parse_classification(json.dumps(document).encode(), 2)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"\xff\xfe{}", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidEndpointAnswerError):
        parse_classification(raw, None)


def test_the_containers_words_are_taken_up_to_a_length() -> None:
    rejection = parse_rejection(413, json.dumps({"code": "too_large", "message": "x" * 5000}))

    assert (rejection.status, rejection.code, str(rejection)) == (413, "too_large", "x" * 500)


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
        '{"code": "No Snake", "message": "bad"}',
        '{"code": "bad", "message": ""}',
    ],
)
def test_a_container_without_the_documented_words_is_given_some(raw: str) -> None:
    rejection = parse_rejection(422, raw)

    assert (rejection.status, rejection.code) == (422, "rejected_by_model")
    assert str(rejection) == "The model refused the picture."
