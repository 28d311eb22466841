"""The API's response as lines for a person."""

from collections.abc import Mapping
from typing import Any

from tools.api_client import ApiAnswer
from tools.console import ToolError


def describe(answer: ApiAnswer) -> str:
    """Return the predictions, one a line, and the model's line.

    Raises:
        ToolError: the response is an error, or none that the API documents.
    """
    if answer.status != 200:
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


def _reason(content: Any) -> str:
    """Return what the body says of an error, as the rest of a sentence."""
    if not isinstance(content, dict):
        text = str(content).strip()
        return f": {text[:200]}" if text else " and an empty body."
    error = content.get("error")
    if isinstance(error, dict) and "code" in error:
        return f" ({error['code']}): {error.get('message', '')}".rstrip(": ")
    # Above 6 MB AWS itself responds, with a message and no code.
    return f": {content.get('message', content)}"
