"""Formats the API's response for the console."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from tools.console import ToolError
from tools.local.api_client import MAX_IMAGE_BYTES, ApiResponse
from tools.terminal import printable

_MAX_SHOWN_LENGTH: Final = 200
_MAX_LABEL_WIDTH: Final = 40


class Table:
    """Formats the predictions of several images, each as a row, before the later ones are known.

    Args:
        images: all images.
        labels: the model's labels.
        others: how many labels to show after the first; None: all of the response.
    """

    def __init__(self, images: Sequence[Path], labels: Sequence[str], others: int | None) -> None:
        self._others = others
        self._file_width = max(len(printable(str(image))) for image in images)
        self._label_width = min(max(map(len, labels), default=0), _MAX_LABEL_WIDTH)

    def row(self, image: Path, response: ApiResponse) -> str:
        """Return the image's path, its first label and score, and the others.

        Raises:
            ToolError: the response is an error or invalid.
        """
        describe(response)
        first, *others = response.content["predictions"]
        shown = others[: self._others]
        following = ", ".join(f"{label_of(item)} {_score(item).strip()}" for item in shown)
        return (
            f"{printable(str(image)):{self._file_width}}  {label_of(first):{self._label_width}}  "
            f"{_score(first)}  {following}"
        ).rstrip()


def describe(response: ApiResponse) -> str:
    """Return one line for each prediction, and one for the model.

    Raises:
        ToolError: the response is an error or invalid.
    """
    if response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not _has_code(response.content):
        # Above 6 MB Lambda returns this status, above 10 MB API Gateway, each with its own body.
        raise ToolError(
            "The API responded with 413 (payload_too_large): the image has too many bytes. "
            f"Send one of at most {MAX_IMAGE_BYTES // 2**20} MiB."
        )
    if response.status == HTTPStatus.NOT_FOUND and not _has_code(response.content):
        raise ToolError(
            "There is no API at the address of the last deployment (404): the stage was deleted "
            "since. Run `make up` to deploy it again."
        )
    if response.status != HTTPStatus.OK:
        raise ToolError(f"The API responded with {response.status}{_reason(response.content)}")
    try:
        model = response.content["model"]
        lines = [f"  {_score(item)}  {label_of(item)}" for item in response.content["predictions"]]
        if not lines:
            raise ValueError("no predictions")
        lines.append(f"  {model['name']} {model['version']}, {response.milliseconds:.0f} ms")
    except (KeyError, TypeError, ValueError) as error:
        raise ToolError(
            f"The API responded with 200 and an invalid body: {_shown(response.content)}"
        ) from error
    return "\n".join(lines)


def has_predictions(response: ApiResponse) -> bool:
    """Return whether a response has predictions; if not, it is an error or invalid."""
    try:
        describe(response)
    except ToolError:
        return False
    return True


def label_of(prediction: Mapping[str, Any]) -> str:
    """Return the label of a class, or its index if the label is blank."""
    return str(prediction["label"]).strip() or f"class {prediction['index']}"


def _score(prediction: Mapping[str, Any]) -> str:
    if "logit" in prediction:
        return f"{prediction['logit']:+9.4f}"
    return f"{prediction['probability']:7.2%}"


def _has_code(content: Any) -> bool:
    error = content.get("error") if isinstance(content, dict) else None
    return isinstance(error, dict) and "code" in error


def _reason(content: Any) -> str:
    """Return the body's error as the end of a sentence."""
    if not isinstance(content, dict):
        text = _shown(content)
        return f": {text}" if text else " and an empty body."
    if _has_code(content):
        error = content["error"]
        return f" ({error['code']}): {error.get('message', '')}".rstrip(": ")
    return f": {_shown(content.get('message', content))}"


def _shown(content: Any) -> str:
    """Return the beginning of a body, as it was received: text, or JSON."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return text.strip()[:_MAX_SHOWN_LENGTH]
