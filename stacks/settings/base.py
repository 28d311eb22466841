"""Common parts of the models of all sections."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

Item = TypeVar("Item")


class Settings(BaseModel):
    """Base of a section: immutable, no unknown keys, no conversion of values.

    `true` is not accepted as a number, and 1.0 is not accepted as a whole number.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


def text(pattern: str, expected: str) -> Any:
    """Constrain a text.

    Args:
        pattern: regular expression (Rust's syntax) that the whole text must match.
        expected: the pattern in words, for errors and docs/settings.md.
    """
    return Field(pattern=f"^(?:{pattern})$", json_schema_extra={"expected": expected})


# TOML has lists, but only tuples are immutable.
Entries = Annotated[tuple[Item, ...], Field(strict=False)]


def check_whole_number(value: object) -> object:
    """Reject values that only equal a whole number: a Literal accepts `true` for 1, 30.0 for 30."""
    if type(value) is not int:
        raise PydanticCustomError("whole_number", "expected a whole number")
    return value


# The values that CloudWatch Logs accepts (PutRetentionPolicy), up to two years.
RetentionDays = Annotated[
    Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731],
    BeforeValidator(check_whole_number),
]
