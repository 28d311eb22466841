"""Evaluates the JSONata expressions of a state machine, like Step Functions."""

import hashlib
import json
from functools import cache
from typing import Any

import jsonata  # type: ignore[import-untyped]  # it ships no types

CONTEXT: dict[str, Any] = {
    "Execution": {
        "Id": "arn:aws:states:eu-west-1:123456789012:execution:Machine:7d1e",
        "Name": "7d1e",
    },
    "State": {"Name": "TrainModel", "EnteredTime": "2026-11-26T09:00:00.123Z", "RetryCount": 0},
}


def evaluate(
    value: Any,
    given: Any,
    context: dict[str, Any] = CONTEXT,
    variables: dict[str, Any] | None = None,
    states: dict[str, Any] | None = None,
) -> Any:
    """Return a JSON value with each `{% expression %}` evaluated.

    Args:
        value: such as the Arguments of a state.
        given: the state's input.
        context: of the execution.
        variables: what earlier states assigned.
        states: other members of `$states`.

    Raises:
        ValueError: an expression has no result, which Step Functions rejects.
    """
    if isinstance(value, dict):
        return {
            name: evaluate(item, given, context, variables, states) for name, item in value.items()
        }
    if isinstance(value, list):
        return [evaluate(item, given, context, variables, states) for item in value]
    if not isinstance(value, str) or not value.startswith("{%"):
        return value
    assert value.endswith("%}")
    bindings = {"states": {"input": given, "context": context, **(states or {})}}
    result = _parsed(value[2:-2].strip()).evaluate(None, _with_null(bindings | (variables or {})))
    if result is None:
        raise ValueError(f"no result: {value}")
    return result


@cache
def _parsed(text: str) -> Any:
    expression = jsonata.Jsonata(text)
    # Step Functions' additions to the language.
    expression.register_lambda("hash", _hash)
    expression.register_lambda("parse", json.loads)
    return expression


def _with_null(value: Any) -> Any:
    """Return a JSON value in which null is the library's own: it takes None as undefined."""
    if isinstance(value, dict):
        return {name: _with_null(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_null(item) for item in value]
    return jsonata.utils.Utils.NULL_VALUE if value is None else value


def _hash(text: str, algorithm: str) -> str:
    assert algorithm in ("MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512")
    return hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()
