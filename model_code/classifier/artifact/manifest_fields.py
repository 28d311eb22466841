"""Checks of the fields of a manifest's JSON. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, Final

from classifier.artifact.manifest_errors import FieldError, ManifestError, shorten

Kinds = type | tuple[type, ...]
_NAME_BY_KIND: Final[Mapping[type, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a decimal number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    NoneType: "null",
}
FILES: Final = "the sha256 of each file by its name"
# What an error message says is expected, where it is more than a type.
_EXPECTED: Final = {"files": FILES, "preprocessing.resize": "a number of pixels"}


def check_types(prefix: str, document: dict[str, Any], expected: Mapping[str, Kinds]) -> None:
    """Check that an object has the expected members, each of one of its types.

    Args:
        prefix: before the members' names in a message.
        document: the object.
        expected: the types of each member.

    Raises:
        ManifestError: a member is missing, unknown or of another type.
    """
    if missing := sorted(expected.keys() - document.keys()):
        raise ManifestError(f"lacks {', '.join(prefix + key for key in missing)}")
    if unknown := sorted(document.keys() - expected.keys()):
        raise ManifestError(f"has unknown {shorten(', '.join(prefix + key for key in unknown))}")
    for key, kinds in expected.items():
        allowed = kinds if isinstance(kinds, tuple) else (kinds,)
        # `type() in` and not isinstance: true is an int to Python, not to a manifest.
        if type(document[key]) not in allowed:
            name = prefix + key
            kind_names = " or ".join(_NAME_BY_KIND[kind] for kind in allowed)
            raise FieldError(name, document[key], _EXPECTED.get(name, kind_names))


def check_shares(prefix: str, document: dict[str, Any]) -> None:
    """Check that the object's decimal numbers are shares.

    Raises:
        FieldError: one is not from 0 to 1.
    """
    for key, value in document.items():
        if type(value) is float and not 0 <= value <= 1:
            raise FieldError(prefix + key, value, "a share from 0 to 1")
