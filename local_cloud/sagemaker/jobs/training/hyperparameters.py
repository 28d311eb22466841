"""Hyperparameters as AWS's PyTorch image reads them, and the flags that they become.

Follows github.com/aws/sagemaker-training-toolkit: environment.py and mapping.py.
"""

import json
from collections.abc import Mapping
from typing import Any

PROGRAM = "sagemaker_program"
SUBMIT_DIRECTORY = "sagemaker_submit_directory"

_OWN_PREFIX = "sagemaker_"
_OWN_HYPERPARAMETERS = frozenset({"default_user_module_name", "_tuning_objective_metric"})


def decoded(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """Return hyperparameters with each value read as JSON, or unchanged if it is not JSON."""
    return {name: _decoded_value(text) for name, text in hyperparameters.items()}


def user_hyperparameters(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters that become flags of the program."""
    return {
        name: value
        for name, value in hyperparameters.items()
        if not name.startswith(_OWN_PREFIX) and name not in _OWN_HYPERPARAMETERS
    }


def flags(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return the flags of the program: `--name value`, sorted by name."""
    words: list[str] = []
    for name, value in sorted(user_hyperparameters(hyperparameters).items()):
        text = "" if value is None else str(value)
        if isinstance(value, dict):
            text = ",".join(f"{key}={each}" for key, each in sorted(value.items()))
        words += [f"--{name}" if len(name) > 1 else f"-{name}", text]
    return words


def _decoded_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
