"""Encode the results of a request as the body of its response."""

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
from classifier.serving.classification import ImageResult, Postprocessor, Prediction
from classifier.serving.codecs import RequestForm
from classifier.serving.negotiation import ResponseType

JSON_LINES_TYPE: Final = "application/jsonlines"

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_response(
    response_type: ResponseType,
    form: RequestForm,
    results: Sequence[ImageResult | RequestError],
    *,
    attributes: Attributes,
    postprocessor: Postprocessor,
) -> tuple[bytes, str]:
    """Return the body and the content type of a response.

    Args:
        response_type: media type that the caller accepts.
        form: form of the request.
        results: result or error of each image, in order. Only the JSON response to a single image
            includes its measurements.
        attributes: which classes and scores to return; npy and CSV always have all classes in the
            order of the labels.
        postprocessor: postprocessor of the network that computed the outputs.

    Returns:
        Body and content type. In npy and CSV, all probabilities or logits as float32: for one image
        (classes), for instances and lines (images, classes).

    Raises:
        RequestError: the first error of `results`, with the image's position in its message. In
            JSON lines, a caller's mistake is not raised but written to the image's line.
        ArithmeticError: an output is not what the manifest says, or not finite.
    """
    if response_type is ResponseType.JSON and form is RequestForm.LINES:
        return _encode_lines(results, attributes, postprocessor), JSON_LINES_TYPE
    computed = _all_computed(results, form)
    if response_type is ResponseType.JSON:
        predictions = [_predictions(result, attributes, postprocessor) for result in computed]
        if form is RequestForm.IMAGE:
            text = _encode_json(
                predictions[0], postprocessor, **_measurements(computed[0], postprocessor)
            )
        else:
            text = _encode_json(predictions, postprocessor)
        return text.encode(), response_type.value
    table = numpy.stack([_scores(result, attributes, postprocessor) for result in computed])
    if response_type is ResponseType.CSV:
        return _encode_csv(table), response_type.value
    return _encode_npy(table[0] if form is RequestForm.IMAGE else table), response_type.value


def _predictions(
    result: ImageResult, attributes: Attributes, postprocessor: Postprocessor
) -> list[Prediction]:
    return postprocessor.predictions(
        result.output,
        top_k=attributes.top_k,
        in_class_order=attributes.in_class_order,
        logits=attributes.logits,
    )


def _scores(
    result: ImageResult, attributes: Attributes, postprocessor: Postprocessor
) -> FloatArray:
    # Also computed for logits, to check the output.
    probabilities = postprocessor.probabilities(result.output)
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


def _measurements(result: ImageResult, postprocessor: Postprocessor) -> dict[str, dict[str, float]]:
    if result.appearance is None:
        return {}
    measurements = {"entropy": postprocessor.entropy(result.output), **asdict(result.appearance)}
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
    results: Sequence[ImageResult | RequestError],
    attributes: Attributes,
    postprocessor: Postprocessor,
) -> bytes:
    lines = []
    for number, result in enumerate(results):
        if not isinstance(result, RequestError):
            lines.append(
                _encode_json(_predictions(result, attributes, postprocessor), postprocessor)
            )
        elif result.status < 500:
            error = {"code": result.code, "message": result.message}
            lines.append(_json.encode({"error": error}))
        else:
            # Fail the whole request: a batch job retries after a 503, but not a line of a 200.
            raise _with_place(result, RequestForm.LINES, number)
    return "".join(f"{line}\n" for line in lines).encode()


def _encode_json(predictions: Any, postprocessor: Postprocessor, **members: Any) -> str:
    return _json.encode({"predictions": predictions, "model": postprocessor.model, **members})


def _encode_csv(table: numpy.typing.NDArray[numpy.float32]) -> bytes:
    # Nine significant digits represent every 32-bit number exactly.
    line = ",".join(["%.9g"] * table.shape[1]) + "\n"
    return "".join(line % tuple(row) for row in table.tolist()).encode()


def _encode_npy(array: numpy.typing.NDArray[numpy.float32]) -> bytes:
    buffer = io.BytesIO()
    numpy.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
