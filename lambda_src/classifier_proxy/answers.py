import json
import re
from dataclasses import dataclass, field
from typing import Any

from classifier_proxy.error_table import REJECTED_BY_MODEL
from classifier_proxy.errors import InvalidEndpointAnswerError, ModelRejectionError
from classifier_proxy.measurements import parse_measurements

LONGEST_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True)
class Answer:
    """What a request is answered with, and what only we want to know.

    Attributes:
        body: of the 200.
        measurements: of the picture and its prediction, as `parse_measurements` describes them.
        invalid_measurements: names of those that came and could not be used.
    """

    body: dict[str, Any]
    measurements: dict[str, float] = field(default_factory=dict)
    invalid_measurements: list[str] = field(default_factory=list)


def parse_classification(raw: bytes, top_k: int | None) -> Answer:
    """Check the container's answer and keep the documented keys of it.

    SageMaker passes any 200 on, so a proxy's HTML page or an empty body looks like success.

    Args:
        raw: the body of the endpoint's answer.
        top_k: how many predictions were asked for; None: the container's default.

    Returns:
        `{"predictions": [{"label", "index", "probability"}, ...], "model": {"name", "version"}}`,
        and the measurements of a container that makes any: wrong ones fail no request.

    Raises:
        InvalidEndpointAnswerError: it is anything else; chained from what was wrong.
    """
    try:
        document = json.loads(raw)
        predictions = [_parse_prediction(prediction) for prediction in document["predictions"]]
        if not 1 <= len(predictions) <= (top_k or len(predictions)):
            raise ValueError(f"{len(predictions)} predictions where top_k is {top_k}")
        model = {key: _text(document["model"][key]) for key in ("name", "version")}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidEndpointAnswerError from error
    measurements, invalid = parse_measurements(document.get("measurements", {}))
    return Answer({"predictions": predictions, "model": model}, measurements, invalid)


def parse_rejection(status: int, raw: str) -> ModelRejectionError:
    """Read why the container refused a request.

    Args:
        status: the container's HTTP status.
        raw: the container's body, `{"code", "message"}` by its contract.

    Returns:
        The error to raise: the container's own words or, where it gave none of the documented
        form, a general sentence.
    """
    try:
        document = json.loads(raw)
        code, message = _text(document["code"]), _text(document["message"])
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", code):
            raise ValueError("code is not snake_case")
    except (ValueError, TypeError, KeyError, RecursionError):
        return ModelRejectionError(status, *REJECTED_BY_MODEL)
    return ModelRejectionError(status, code, message[:LONGEST_MESSAGE_CHARACTERS])


def _parse_prediction(value: Any) -> dict[str, Any]:
    index, probability = value["index"], value["probability"]
    if type(index) is not int or index < 0:
        raise ValueError("index is not a whole number from 0")
    if type(probability) not in (int, float) or not 0 <= probability <= 1:
        raise ValueError("probability is not a number from 0 to 1")
    return {"label": _text(value["label"]), "index": index, "probability": float(probability)}


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value
