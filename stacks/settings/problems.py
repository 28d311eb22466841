"""Describes in words what is wrong with a table of settings."""

import difflib
from dataclasses import dataclass
from datetime import date, time
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stacks.settings.schema import Location, SettingsSchema

_MAX_SHOWN_DEPTH: Final = 3
_MAX_SHOWN_LENGTH: Final = 100
_OF_A_MODEL: Final = "value_error"  # raised by a model's own validator


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with a table of settings.

    Attributes:
        text: one line: key, value, and what was expected.
        location: of the value, or of the section whose values contradict each other.
        of_several_keys: whether values contradict each other, each of which may be valid.
    """

    text: str
    location: Location
    of_several_keys: bool


def describe_problems(error: ValidationError, settings_class: type[BaseModel]) -> list[str]:
    """Return one line for each problem: key, value, and what was expected.

    Args:
        error: the error of validating `settings_class`.
        settings_class: the model of the whole table.
    """
    return [problem.text for problem in find_problems(error, settings_class)]


def find_problems(error: ValidationError, settings_class: type[BaseModel]) -> list[Problem]:
    """Return the problems that `describe_problems` describes, with what else is known of each.

    Args:
        error: the error of validating `settings_class`.
        settings_class: the model of the whole table.
    """
    schema = SettingsSchema(settings_class)
    return [
        Problem(
            text=_describe(each, schema),
            location=each["loc"],
            of_several_keys=each["type"] == _OF_A_MODEL,
        )
        for each in error.errors(include_url=False)
    ]


def _describe(problem: ErrorDetails, schema: SettingsSchema) -> str:
    location = problem["loc"]
    key = _dotted(location)
    match problem["type"]:
        case "value_error":  # with the keys in the message
            return str(problem["ctx"]["error"])
        case "extra_forbidden":
            return _unknown_key(location, schema)
        case "missing":
            return f"{key} is missing: expected {_expected(location, schema)}"
    return f"{key} = {_shown(problem['input'])}: expected {_expected(location, schema)}"


def _expected(location: Location, schema: SettingsSchema) -> str:
    found = schema.at(location)
    is_section = "properties" in found and isinstance(location[-1], str)
    return f"a section [{_dotted(location)}]" if is_section else schema.expected(found)


def _unknown_key(location: Location, schema: SettingsSchema) -> str:
    allowed = sorted(schema.keys(location[:-1]))
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    hint = f", did you mean {near[0]}?" if near else "."
    return f"{_dotted(location)} is not a setting{hint} Allowed here: {', '.join(allowed)}"


def _dotted(location: Location) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _shown(value: object) -> str:
    """Return a value as TOML, short enough for a message."""
    text = _toml(value, _MAX_SHOWN_DEPTH)
    if isinstance(value, str):
        return text
    return text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[: _MAX_SHOWN_LENGTH - 3]}..."


def _toml(value: object, depth: int) -> str:
    if isinstance(value, (dict, list)) and depth == 0:
        return "..."
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{key} = {_toml(each, depth - 1)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each, depth - 1) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, date | time) else repr(value)
