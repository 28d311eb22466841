"""The API's response as lines for a person."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from tools.console import ToolError
from tools.local.api_client import ApiAnswer

# As in lambda_src/classifier_proxy/image_checks.py, which the tools do not import.
MAXIMUM_IMAGE_BYTES: Final = 4 * 2**20


def describe(answer: ApiAnswer) -> str:
    """Return the predictions, one a line, and the model's line.

    Raises:
        ToolError: the response is an error, or none that the API documents.
    """
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not _has_code(answer.content):
        # Above 6 MB it is Lambda that responds, above 10 MB API Gateway, each in its own form.
        raise ToolError(
            "The API responded with 413 (payload_too_large): the image has too many bytes. "
            f"Send one of at most {MAXIMUM_IMAGE_BYTES // 2**20} MiB."
        )
    if answer.status != HTTPStatus.OK:
        raise ToolError(f"The API responded with {answer.status}{_reason(answer.content)}")
    try:
        model = answer.content["model"]
        lines = [f"  {_score(item)}  {label_of(item)}" for item in answer.content["predictions"]]
        if not lines:
            raise ValueError("no predictions")
        lines.append(f"  {model['name']} {model['version']}, {answer.milliseconds:.0f} ms")
    except (KeyError, TypeError, ValueError) as error:
        raise ToolError(
            f"The API responded with 200 and an invalid body: {str(answer.content)[:200]}"
        ) from error
    return "\n".join(lines)


def label_of(prediction: Mapping[str, Any]) -> str:
    """Return a class by its label, or by its index where the label is blank."""
    return str(prediction["label"]).strip() or f"class {prediction['index']}"


def _score(prediction: Mapping[str, Any]) -> str:
    if "logit" in prediction:
        return f"{prediction['logit']:+9.4f}"
    return f"{prediction['probability']:7.2%}"


def _has_code(content: Any) -> bool:
    error = content.get("error") if isinstance(content, dict) else None
    return isinstance(error, dict) and "code" in error


def _reason(content: Any) -> str:
    """Return what the body says of an error, as the rest of a sentence."""
    if not isinstance(content, dict):
        text = str(content).strip()
        return f": {text[:200]}" if text else " and an empty body."
    if _has_code(content):
        error = content["error"]
        return f" ({error['code']}): {error.get('message', '')}".rstrip(": ")
    return f": {content.get('message', content)}"
