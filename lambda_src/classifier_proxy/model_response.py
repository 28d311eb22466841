import json
import math
from dataclasses import dataclass, field
from typing import Any

from classifier_proxy.error_table import MODEL_REJECTIONS, REJECTED_BY_MODEL
from classifier_proxy.errors import InvalidEndpointAnswerError, ModelRejectionError
from classifier_proxy.measurements import parse_measurements
from classifier_proxy.parameters import Parameters

LONGEST_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True)
class Answer:
    """What a request is answered with, and what only we want to know.

    Attributes:
        body: of the 200.
        measurements: of the picture and its prediction, as `parse_measurements` describes them.
        invalid_measurements: names of those that came and could not be used.
        top_prediction: of the predictions in the body, the one with the highest score.
        top_probability: its probability; None where the logits of some classes alone do not tell.
    """

    body: dict[str, Any]
    measurements: dict[str, float] = field(default_factory=dict)
    invalid_measurements: list[str] = field(default_factory=list)
    top_prediction: dict[str, Any] | None = None
    top_probability: float | None = None


def parse_classification(raw: bytes, parameters: Parameters) -> Answer:
    """Check the container's answer and keep the documented keys of it.

    SageMaker passes any 200 on, so a proxy's HTML page or an empty body looks like success.

    Args:
        raw: the body of the endpoint's answer.
        parameters: which predictions were requested.

    Returns:
        `{"predictions": [{"label", "index", "probability"}, ...], "model": {"name", "version"}}`,
        with "logit" in place of "probability" where logits were requested, and the measurements
        of a container that makes any: wrong ones fail no request.

    Raises:
        InvalidEndpointAnswerError: it is anything else; chained from what was wrong.
    """
    score = "logit" if parameters.scores == "logits" else "probability"
    try:
        document = json.loads(raw)
        predictions = [_parse_prediction(value, score) for value in document["predictions"]]
        _check_classes([prediction["index"] for prediction in predictions], parameters)
        model = {key: _text(document["model"][key]) for key in ("name", "version")}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise InvalidEndpointAnswerError from error
    measurements, invalid = parse_measurements(document.get("measurements", {}))
    top = max(predictions, key=lambda prediction: prediction[score])
    return Answer(
        {"predictions": predictions, "model": model},
        measurements,
        invalid,
        top,
        _top_probability(predictions, top, parameters),
    )


def _check_classes(indices: list[int], parameters: Parameters) -> None:
    """Raise ValueError where these are not the classes that were requested."""
    if not indices:
        raise ValueError("there are no predictions")
    if isinstance(parameters.top_k, int) and len(indices) > parameters.top_k:
        raise ValueError(f"{len(indices)} predictions where top_k is {parameters.top_k}")
    if parameters.lists_all_classes:
        if len(indices) < 2:
            raise ValueError("all classes are fewer than 2")
        in_order = indices if parameters.order == "class" else sorted(indices)
        if in_order != list(range(len(indices))):
            raise ValueError("all classes are not each index once, in the requested order")


def _top_probability(
    predictions: list[dict[str, Any]], top: dict[str, Any], parameters: Parameters
) -> float | None:
    if "probability" in top:
        probability: float = top["probability"]
        return probability
    if not parameters.lists_all_classes:
        return None
    # The softmax's greatest: exp(top - top) over the sum.
    return 1 / math.fsum(math.exp(each["logit"] - top["logit"]) for each in predictions)


def parse_rejection(status: int, raw: str) -> ModelRejectionError:
    """Read why the container refused a request.

    Args:
        status: the container's HTTP status, one of `MODEL_REJECTIONS`.
        raw: the container's body, `{"code", "message"}` by its contract.

    Returns:
        The error to raise: the container's own words or, where it gave none of the documented
        form, a general sentence; its code, or a general one where no document has its.
    """
    general_code, general_message = REJECTED_BY_MODEL
    try:
        document = json.loads(raw)
        code, message = _text(document["code"]), _text(document["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ModelRejectionError(status, general_code, general_message)
    known_code = code if code in MODEL_REJECTIONS[status] else general_code
    return ModelRejectionError(status, known_code, message[:LONGEST_MESSAGE_CHARACTERS])


def _parse_prediction(value: Any, score: str) -> dict[str, Any]:
    index, number = value["index"], value[score]
    if type(index) is not int or index < 0:
        raise ValueError("index is not a whole number from 0")
    if type(number) not in (int, float) or not math.isfinite(number):
        raise ValueError(f"{score} is not a finite number")
    if score == "probability" and not 0 <= number <= 1:
        raise ValueError("probability is not a number from 0 to 1")
    return {"label": _text(value["label"]), "index": index, score: float(number)}


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value
