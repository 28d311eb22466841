from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.artifact.manifest import Manifest
from classifier.errors import RequestError
from classifier.image.appearance import Appearance
from classifier.image.preprocessing import FloatArray
from classifier.serving.attributes import Attributes
from classifier.serving.classification import ImageResult, Postprocessor, entropy, softmax
from classifier.serving.codecs import RequestForm
from classifier.serving.negotiation import ResponseType
from classifier.serving.responses import encode_response

RED = numpy.array([3, 1, 2], dtype=numpy.float32)
BLUE = numpy.array([-90, 0, 4.5], dtype=numpy.float32)
UNREADABLE = RequestError("unreadable_image", "The image is no image.")
GREY = Appearance(brightness=0.5, sharpness=0.125)
OVERLOADED = RequestError("overloaded", "Try again.")


def _encode(
    postprocessor: Postprocessor,
    response_type: ResponseType,
    form: RequestForm,
    *results: FloatArray | RequestError,
    appearance: Appearance | None = None,
    in_class_order: bool = False,
    logits: bool = False,
) -> tuple[bytes, str]:
    computed = [
        result if isinstance(result, RequestError) else ImageResult(result, appearance)
        for result in results
    ]
    attributes = Attributes(
        top_k=2,
        in_class_order=in_class_order,
        logits=logits,
        measurements=appearance is not None,
    )
    return encode_response(
        response_type, form, computed, attributes=attributes, postprocessor=postprocessor
    )


def _prediction(label: str, index: int, logits: FloatArray) -> dict[str, Any]:
    return {"label": label, "index": index, "probability": float(softmax(logits)[index])}


@pytest.fixture
def of_red() -> list[dict[str, Any]]:
    return [_prediction("red", 0, RED), _prediction("blue", 2, RED)]


@pytest.fixture
def of_blue() -> list[dict[str, Any]]:
    return [_prediction("blue", 2, BLUE), _prediction("grün", 1, BLUE)]


def test_one_image_in_json(postprocessor: Postprocessor, of_blue: list[dict[str, Any]]) -> None:
    body, content_type = _encode(postprocessor, ResponseType.JSON, RequestForm.IMAGE, BLUE)
    assert content_type == "application/json"
    assert json.loads(body) == {"predictions": of_blue, "model": postprocessor.model}
    assert b" " not in body
    assert "grün".encode() in body


def test_one_image_in_json_with_its_measurements(
    postprocessor: Postprocessor, of_blue: list[dict[str, Any]]
) -> None:
    body, _ = _encode(postprocessor, ResponseType.JSON, RequestForm.IMAGE, BLUE, appearance=GREY)
    assert json.loads(body) == {
        "predictions": of_blue,
        "model": postprocessor.model,
        "measurements": {"entropy": entropy(BLUE), "brightness": 0.5, "sharpness": 0.125},
    }


@pytest.mark.parametrize("form", RequestForm)
def test_logits_take_the_place_of_probabilities_in_json(
    postprocessor: Postprocessor, form: RequestForm
) -> None:
    body, _ = _encode(
        postprocessor,
        ResponseType.JSON,
        form,
        BLUE,
        appearance=GREY,
        in_class_order=True,
        logits=True,
    )
    document = json.loads(body)
    predictions = document["predictions"]
    if form is RequestForm.INSTANCES:
        (predictions,) = predictions
    assert predictions == [
        {"label": "red", "index": 0, "logit": -90},
        {"label": "grün", "index": 1, "logit": 0},
        {"label": "blue", "index": 2, "logit": 4.5},
    ]
    if form is RequestForm.IMAGE:
        assert document["measurements"]["entropy"] == entropy(BLUE)


def test_all_logits_are_those_of_the_network(postprocessor: Postprocessor) -> None:
    form = RequestForm.INSTANCES
    body, _ = _encode(postprocessor, ResponseType.NPY, form, RED, BLUE, logits=True)
    array = numpy.load(io.BytesIO(body), allow_pickle=False)
    assert array.dtype == numpy.float32
    assert (array == [RED, BLUE]).all()
    body, _ = _encode(postprocessor, ResponseType.CSV, form, RED, BLUE, logits=True)
    assert body == b"3,1,2\n-90,0,4.5\n"


def test_probabilities_of_the_network_are_returned_as_they_are(manifest: Manifest) -> None:
    postprocessor = Postprocessor(replace(manifest, output="probabilities"), "0123456789ab")
    own = numpy.array([0.25, 0, 0.75], dtype=numpy.float32)
    body, _ = _encode(postprocessor, ResponseType.JSON, RequestForm.IMAGE, own, appearance=GREY)
    document = json.loads(body)
    assert [item["probability"] for item in document["predictions"]] == [0.75, 0.25]
    expected = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert document["measurements"]["entropy"] == pytest.approx(expected)
    body, _ = _encode(postprocessor, ResponseType.CSV, RequestForm.IMAGE, own)
    assert body == b"0.25,0,0.75\n"


@pytest.mark.parametrize("count", [1, 2])
def test_instances_in_json(
    postprocessor: Postprocessor,
    of_red: list[dict[str, Any]],
    of_blue: list[dict[str, Any]],
    count: int,
) -> None:
    results = [RED, BLUE][:count]
    body, content_type = _encode(postprocessor, ResponseType.JSON, RequestForm.INSTANCES, *results)
    assert content_type == "application/json"
    expected = [of_red, of_blue][:count]
    assert json.loads(body) == {"predictions": expected, "model": postprocessor.model}


def test_lines_in_json(
    postprocessor: Postprocessor, of_red: list[dict[str, Any]], of_blue: list[dict[str, Any]]
) -> None:
    results = (RED, UNREADABLE, BLUE)
    body, content_type = _encode(postprocessor, ResponseType.JSON, RequestForm.LINES, *results)
    assert content_type == "application/jsonlines"
    assert body.endswith(b"\n")
    assert [json.loads(line) for line in body.splitlines()] == [
        {"predictions": of_red, "model": postprocessor.model},
        {"error": {"code": "unreadable_image", "message": "The image is no image."}},
        {"predictions": of_blue, "model": postprocessor.model},
    ]


@pytest.mark.parametrize(
    ("form", "results", "shape"),
    [
        (RequestForm.IMAGE, (RED,), (3,)),
        (RequestForm.INSTANCES, (RED,), (1, 3)),
        (RequestForm.INSTANCES, (RED, BLUE), (2, 3)),
        (RequestForm.LINES, (BLUE, RED), (2, 3)),
    ],
)
def test_all_probabilities(
    postprocessor: Postprocessor,
    form: RequestForm,
    results: tuple[FloatArray, ...],
    shape: tuple[int, ...],
) -> None:
    expected = numpy.array([softmax(logits) for logits in results]).astype(numpy.float32)

    body, content_type = _encode(postprocessor, ResponseType.NPY, form, *results)
    assert content_type == "application/x-npy"
    assert body.startswith(b"\x93NUMPY\x01\x00")
    array = numpy.load(io.BytesIO(body), allow_pickle=False)
    assert (array.dtype, array.shape) == (numpy.float32, shape)
    assert (array == expected.reshape(shape)).all()

    body, content_type = _encode(postprocessor, ResponseType.CSV, form, *results)
    assert content_type == "text/csv"
    lines = body.decode().splitlines()
    assert [[numpy.float32(text) for text in line.split(",")] for line in lines] == (
        expected.tolist()
    )


@given(st.lists(st.floats(-120, 120, width=32), min_size=3, max_size=3))
def test_csv_has_every_bit_of_a_probability(
    postprocessor: Postprocessor, values: list[float]
) -> None:
    logits = numpy.array(values, dtype=numpy.float32)
    body, _ = _encode(postprocessor, ResponseType.CSV, RequestForm.IMAGE, logits)
    read = [numpy.float32(text) for text in body.decode().split(",")]
    assert read == softmax(logits).astype(numpy.float32).tolist()


@pytest.mark.parametrize(
    ("response_type", "form", "error", "message"),
    [
        (ResponseType.JSON, RequestForm.IMAGE, UNREADABLE, "The image is no image."),
        (ResponseType.NPY, RequestForm.IMAGE, UNREADABLE, "The image is no image."),
        (ResponseType.JSON, RequestForm.INSTANCES, UNREADABLE, "instances[0]: The image is"),
        (ResponseType.CSV, RequestForm.INSTANCES, UNREADABLE, "instances[0]: The image is"),
        (ResponseType.NPY, RequestForm.LINES, UNREADABLE, "line 1: The image is"),
        (ResponseType.CSV, RequestForm.LINES, UNREADABLE, "line 1: The image is"),
        (ResponseType.JSON, RequestForm.LINES, OVERLOADED, "line 1: Try again."),
    ],
)
def test_an_image_without_a_result_fails_the_request(
    postprocessor: Postprocessor,
    response_type: ResponseType,
    form: RequestForm,
    error: RequestError,
    message: str,
) -> None:
    others = () if form is RequestForm.IMAGE else (RED, UNREADABLE)
    with pytest.raises(RequestError) as caught:
        _encode(postprocessor, response_type, form, error, *others)
    assert caught.value.code == error.code
    assert caught.value.message.startswith(message)


def test_the_place_is_that_of_the_image(postprocessor: Postprocessor) -> None:
    with pytest.raises(RequestError, match=r"^instances\[1\]: "):
        _encode(postprocessor, ResponseType.JSON, RequestForm.INSTANCES, RED, UNREADABLE)
    with pytest.raises(RequestError, match=r"^line 2: "):
        _encode(postprocessor, ResponseType.CSV, RequestForm.LINES, RED, UNREADABLE)


@pytest.mark.parametrize("response_type", ResponseType)
@pytest.mark.parametrize("form", RequestForm)
@pytest.mark.parametrize("logits", [False, True])
def test_logits_that_are_not_finite_are_refused(
    postprocessor: Postprocessor, response_type: ResponseType, form: RequestForm, logits: bool
) -> None:
    broken = numpy.array([numpy.nan, 0, 0], dtype=numpy.float32)
    with pytest.raises(ArithmeticError):
        _encode(postprocessor, response_type, form, broken, logits=logits)
