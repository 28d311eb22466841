"""Errors of a manifest, whose messages stay short whatever it holds. Standard library only."""

from __future__ import annotations

import json
import reprlib
from typing import Any, Final

_MAX_SHOWN_LENGTH: Final = 100


class _JsonRepr(reprlib.Repr):
    """Writes what JSON writes otherwise than Python; unlike repr(), it bounds the depth too."""

    def repr_NoneType(self, _value: None, _level: int) -> str:  # noqa: N802 - reprlib's rule
        return "null"

    def repr_bool(self, value: bool, _level: int) -> str:
        return str(value).lower()

    def repr_dict(self, value: dict[Any, Any], level: int) -> str:
        shown = list(value.items())[: self.maxdict] if level > 0 else []
        items = [f"{json.dumps(str(key))}: {self.repr1(each, level - 1)}" for key, each in shown]
        return "{" + ", ".join([*items, "..."] if len(shown) < len(value) else items) + "}"


_SHORT_REPR = _JsonRepr()
_SHORT_REPR.maxstring = _SHORT_REPR.maxother = _MAX_SHOWN_LENGTH


class ManifestError(Exception):
    """The manifest is not valid for this version of the code; the message is one short line."""


class FieldError(ManifestError):
    """A field of the manifest has a value that is not allowed."""

    def __init__(self, field_name: str, found: object, expected: str) -> None:
        super().__init__(
            f"{shorten(field_name)} = {shorten(_SHORT_REPR.repr(found))}, expected {expected}"
        )


def shorten(text: str) -> str:
    """Return the beginning of a manifest's text, short enough for a message."""
    return text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[: _MAX_SHOWN_LENGTH - 3]}..."
