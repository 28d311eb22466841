import json
import math
from dataclasses import dataclass, field
from typing import Any

from classifier_proxy.errors import (
    MODEL_REJECTIONS,
    InvalidEndpointResponseError,
    ModelRejectionError,
)
from classifier_proxy.parameters import Parameters

MAX_MESSAGE_CHARACTERS = 500

# A prediction has one bracket, and 6 MB contain at most 150,000 predictions. Python would parse
# millions of brackets into as many lists, with a second of CPU time.
_MAX_BRACKETS = 200_000

MAX_BY_MEASUREMENT = {"entropy": 20.0, "brightness": 1.0, "sharpness": 1.0}
"""Maximum of each of the container's measurements; the minimum is 0. Entropy is in nats, and at
most the logarithm of the number of classes: 20 means more than 400 million classes."""


@dataclass(frozen=True)
class Response:
    """The body of a 200, and data that is only logged and counted.

    Attributes:
        body: JSON object.
        measurements: value by name, of `MAX_BY_MEASUREMENT`.
        invalid_measurements: names of the measurements that were dropped.
        top_prediction: the prediction in the body with the highest score.
        top_probability: its probability; None if the logits of only some classes are known.
    """

    body: dict[str, Any]
    measurements: dict[str, float] = field(default_factory=dict)
    invalid_measurements: list[str] = field(default_factory=list)
    top_prediction: dict[str, Any] | None = None
    top_probability: float | None = None


def parse_classification(raw: bytes, parameters: Parameters) -> Response:
    """Check the container's response and keep its documented members.

    SageMaker passes on any 200: an HTML page of a proxy or an empty body would look like success.

    Args:
        raw: the body of the endpoint's response.
        parameters: which predictions were requested.

    Returns:
        `{"predictions": [{"label", "index", "probability"}, ...], "model": {"name", "version"}}`,
        with "logit" instead of "probability" if logits were requested, and the valid measurements.
        An invalid measurement does not fail the request.

    Raises:
        InvalidEndpointResponseError: any other response; chained from the reason.
    """
    score = "logit" if parameters.scores == "logits" else "probability"
    if raw.count(b"[") + raw.count(b"{") > _MAX_BRACKETS:
        raise InvalidEndpointResponseError
    try:
        document = json.loads(raw)
        predictions = [_parse_prediction(value, score) for value in document["predictions"]]
        _check_classes([prediction["index"] for prediction in predictions], parameters)
        model = {key: _text(document["model"][key]) for key in ("name", "version")}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise InvalidEndpointResponseError from error
    measurements, invalid = parse_measurements(document.get("measurements", {}))
    top = max(predictions, key=lambda prediction: prediction[score])
    return Response(
        {"predictions": predictions, "model": model},
        measurements,
        invalid,
        top,
        _top_probability(predictions, top, parameters),
    )


def parse_measurements(value: Any) -> tuple[dict[str, float], list[str]]:
    """Keep only valid measurements: an implausible one would raise a false alarm.

    Args:
        value: the container's measurements by name.

    Returns:
        The valid ones by name, and the names of the invalid ones: all names if `value` is not an
        object.
    """
    if not isinstance(value, dict):
        return {}, list(MAX_BY_MEASUREMENT)
    present = [name for name in MAX_BY_MEASUREMENT if name in value]
    valid = {name: float(value[name]) for name in present if _is_plausible(name, value[name])}
    return valid, [name for name in present if name not in valid]


def parse_rejection(status: int, raw: str) -> ModelRejectionError:
    """Read the reason why the container rejected a request.

    Args:
        status: the container's HTTP status, a key of `MODEL_REJECTIONS`.
        raw: the container's body, `{"code", "message"}` by its contract.

    Returns:
        The error to raise, with the container's code and its message, cut to
        `MAX_MESSAGE_CHARACTERS`; with the defaults of the class if these are not as documented.
    """
    try:
        document = json.loads(raw)
        code, message = _text(document["code"]), _text(document["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ModelRejectionError(status)
    documented_code = code if code in MODEL_REJECTIONS[status] else None
    return ModelRejectionError(status, documented_code, message[:MAX_MESSAGE_CHARACTERS])


def _parse_prediction(value: Any, score: str) -> dict[str, Any]:
    index, number = value["index"], value[score]
    if type(index) is not int or index < 0:
        raise ValueError("index is not a whole number from 0")
    if type(number) not in (int, float) or not math.isfinite(number):
        raise ValueError(f"{score} is not a finite number")
    if score == "probability" and not 0 <= number <= 1:
        raise ValueError("probability is not a number from 0 to 1")
    return {"label": _text(value["label"]), "index": index, score: float(number)}


def _check_classes(indices: list[int], parameters: Parameters) -> None:
    """Raise ValueError if these are not the requested classes."""
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
    # The softmax of the largest logit: exp(top - top) = 1 divided by the sum.
    return 1 / math.fsum(math.exp(each["logit"] - top["logit"]) for each in predictions)


def _is_plausible(name: str, number: Any) -> bool:
    # NaN is never within bounds; Python counts booleans as numbers.
    return type(number) in (int, float) and 0 <= number <= MAX_BY_MEASUREMENT[name]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value
