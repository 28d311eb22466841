"""A network's output -> the body of an answer."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy
import numpy.typing

from classifier.errors import RequestError
from classifier.image.preprocessing import FloatArray
from classifier.serving.attributes import Attributes
from classifier.serving.classification import ImageResult, Labeller, Prediction
from classifier.serving.codecs import RequestForm
from classifier.serving.negotiation import AnswerType

JSON_LINES_TYPE: Final = "application/jsonlines"

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_answer(
    answer_type: AnswerType,
    form: RequestForm,
    results: Sequence[ImageResult | RequestError],
    *,
    attributes: Attributes,
    labeller: Labeller,
) -> tuple[bytes, str]:
    """Write an answer.

    Args:
        answer_type: what the caller accepts.
        form: of the request.
        results: of each image, in order, what was computed or why nothing was. The appearance
            of one image alone is answered, in JSON.
        attributes: which classes and scores; npy and CSV have all classes in the order of the
            labels, whatever is asked for in JSON.
        labeller: of the network that computed the outputs.

    Returns:
        Body and content type. All probabilities, or logits, are float32: of one image
        (classes), of instances and lines (images, classes).

    Raises:
        RequestError: the first of `results`, its message with its place. Only in JSON lines does
            one that is the caller's mistake stand in its line.
        ArithmeticError: an output is not what the manifest says, or not finite.
    """
    if answer_type is AnswerType.JSON and form is RequestForm.LINES:
        return _encode_lines(results, attributes, labeller), JSON_LINES_TYPE
    computed = _all_computed(results, form)
    if answer_type is AnswerType.JSON:
        predictions = [_predictions(result, attributes, labeller) for result in computed]
        if form is RequestForm.IMAGE:
            text = _encode_json(predictions[0], labeller, **_measurements(computed[0], labeller))
        else:
            text = _encode_json(predictions, labeller)
        return text.encode(), answer_type.value
    table = numpy.stack([_scores(result, attributes, labeller) for result in computed])
    if answer_type is AnswerType.CSV:
        return _encode_csv(table), answer_type.value
    return _encode_npy(table[0] if form is RequestForm.IMAGE else table), answer_type.value


def _predictions(
    result: ImageResult, attributes: Attributes, labeller: Labeller
) -> list[Prediction]:
    return labeller.predictions(
        result.output,
        top_k=attributes.top_k,
        in_class_order=attributes.in_class_order,
        logits=attributes.logits,
    )


def _scores(result: ImageResult, attributes: Attributes, labeller: Labeller) -> FloatArray:
    # Of logits too: they show whether the output is one that can be answered.
    probabilities = labeller.probabilities(result.output)
    return result.output if attributes.logits else probabilities.astype(numpy.float32)


def _all_computed(
    results: Sequence[ImageResult | RequestError], form: RequestForm
) -> list[ImageResult]:
    computed = []
    for number, result in enumerate(results):
        if isinstance(result, RequestError):
            raise _with_place(result, form, number)
        computed.append(result)
    return computed


def _measurements(result: ImageResult, labeller: Labeller) -> dict[str, dict[str, float]]:
    if result.appearance is None:
        return {}
    measurements = {"entropy": labeller.entropy(result.output), **asdict(result.appearance)}
    return {"measurements": measurements}


def _with_place(error: RequestError, form: RequestForm, number: int) -> RequestError:
    place = {
        RequestForm.IMAGE: "",
        RequestForm.INSTANCES: f"instances[{number}]: ",
        RequestForm.LINES: f"line {number + 1}: ",
    }[form]
    return RequestError(
        error.code, place + error.message, retry_after_seconds=error.retry_after_seconds
    )


def _encode_lines(
    results: Sequence[ImageResult | RequestError], attributes: Attributes, labeller: Labeller
) -> bytes:
    lines = []
    for number, result in enumerate(results):
        if not isinstance(result, RequestError):
            lines.append(_encode_json(_predictions(result, attributes, labeller), labeller))
        elif result.status < 500:
            error = {"code": result.code, "message": result.message}
            lines.append(_json.encode({"error": error}))
        else:
            # A batch job tries again after a 503, and never what an answer of 200 says.
            raise _with_place(result, RequestForm.LINES, number)
    return "".join(f"{line}\n" for line in lines).encode()


def _encode_json(predictions: Any, labeller: Labeller, **members: Any) -> str:
    return _json.encode({"predictions": predictions, "model": labeller.model, **members})


def _encode_csv(table: numpy.typing.NDArray[numpy.float32]) -> bytes:
    # Nine significant digits tell any two numbers of 32 bit apart.
    line = ",".join(["%.9g"] * table.shape[1]) + "\n"
    return "".join(line % tuple(row) for row in table.tolist()).encode()


def _encode_npy(array: numpy.typing.NDArray[numpy.float32]) -> bytes:
    buffer = io.BytesIO()
    numpy.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
