"""The one parser of a manifest's file, which checks every field. Standard library only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import NoneType
from typing import Any, Final, NoReturn

from classifier.artifact.manifest import (
    SCHEMA_VERSION,
    FieldError,
    Manifest,
    ManifestError,
    Preprocessing,
    shorten,
)
from classifier.artifact.measurements import FastDecoding, Quantization

_Kinds = type | tuple[type, ...]
_OPTIONAL_SHARE = (float, NoneType)
_NAME_BY_KIND: Final[Mapping[type, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a decimal number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    NoneType: "null",
}
_FILES: Final = "the sha256 of each file by its name"
# What an error message says is expected, where it is more than a type.
_EXPECTED: Final = {"files": _FILES, "preprocessing.resize": "a number of pixels"}


def parse_manifest(text: str) -> Manifest:
    """Parse the text of `manifest.json` and check every field.

    Raises:
        ManifestError: not JSON, nested too deeply, a text that UTF-8 cannot hold, another schema
            version, a field missing, unknown, of a wrong type or out of bounds, or an identity
            that does not follow from the fields.
    """
    try:
        return _parse(text)
    except RecursionError as error:
        raise ManifestError("is not a manifest's JSON: it is nested too deeply") from error


def _parse(text: str) -> Manifest:
    try:
        # An editor may have added a byte order mark, which the JSON parser rejects.
        json_text = text.removeprefix("\ufeff")
        document = json.loads(json_text, parse_constant=_refuse_constant, parse_float=_finite)
    except ValueError as error:
        raise ManifestError(f"is not JSON ({error})") from error
    _check_encodable(document)
    if not isinstance(document, dict):
        raise ManifestError("is not a JSON object")
    schema_version = document.pop("schema_version", None)
    if schema_version != SCHEMA_VERSION:
        raise FieldError("schema_version", schema_version, str(SCHEMA_VERSION))
    identity = document.pop("identity", None)
    manifest = _manifest_of(document)
    if identity != manifest.identity:
        raise FieldError(
            "identity",
            identity,
            f"the sha256 {manifest.identity} that follows from the other fields: the manifest was "
            "changed after the build",
        )
    return manifest


def _manifest_of(document: dict[str, Any]) -> Manifest:
    expected: dict[str, _Kinds] = {
        "name": str,
        "architecture": str,
        "labels": list,
        "preprocessing": dict,
        "output": str,
        "weights_sha256": str,
        "exporter_version": int,
        "files": dict,
        "metrics": dict,
        "training_data": dict,
        "libraries": dict,
        "quantization": (dict, NoneType),
        "fast_decoding": (dict, NoneType),
    }
    _check_types("", document, expected)
    for name, texts, description in (
        ("labels", document["labels"], "texts only"),
        ("files", document["files"].values(), _FILES),
        ("libraries", document["libraries"].values(), "texts only"),
    ):
        if not all(isinstance(text, str) for text in texts):
            raise FieldError(name, document[name], description)
    return Manifest(
        **{
            **document,
            "labels": tuple(document["labels"]),
            "preprocessing": _preprocessing_of(document["preprocessing"]),
            "quantization": _quantization_of(document["quantization"]),
            "fast_decoding": _fast_decoding_of(document["fast_decoding"]),
        }
    )


def _preprocessing_of(document: dict[str, Any]) -> Preprocessing:
    expected: dict[str, _Kinds] = {
        "resize": int,
        "crop": int,
        "interpolation": str,
        "mean": list,
        "std": list,
    }
    _check_types("preprocessing.", document, expected)
    channels = {}
    for key in ("mean", "std"):
        values = document[key]
        if len(values) != 3 or not all(type(value) in (int, float) for value in values):
            raise FieldError(f"preprocessing.{key}", values, "three numbers")
        channels[key] = tuple(values)
    return Preprocessing(**{**document, **channels})


def _quantization_of(document: dict[str, Any] | None) -> Quantization | None:
    if document is None:
        return None
    expected: dict[str, _Kinds] = {
        "tool": str,
        "quantizer_version": int,
        "calibration_sha256": str,
        "calibration_images": int,
        "held_back_images": int,
        "agreement": _OPTIONAL_SHARE,
        "fp32_accuracy": _OPTIONAL_SHARE,
        "int8_accuracy": _OPTIONAL_SHARE,
        "shipped": bool,
    }
    _check_types("quantization.", document, expected)
    _check_shares("quantization.", document)
    return Quantization(**document)


def _fast_decoding_of(document: dict[str, Any] | None) -> FastDecoding | None:
    if document is None:
        return None
    expected: dict[str, _Kinds] = {
        "images": int,
        "reduced_images": int,
        "agreement": float,
        "exact_accuracy": _OPTIONAL_SHARE,
        "fast_accuracy": _OPTIONAL_SHARE,
    }
    _check_types("fast_decoding.", document, expected)
    _check_shares("fast_decoding.", document)
    return FastDecoding(**document)


def _check_types(prefix: str, document: dict[str, Any], expected: Mapping[str, _Kinds]) -> None:
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


def _check_shares(prefix: str, document: dict[str, Any]) -> None:
    for key, value in document.items():
        if type(value) is float and not 0 <= value <= 1:
            raise FieldError(prefix + key, value, "a share from 0 to 1")


def _check_encodable(document: object) -> None:
    # JSON's escapes can encode half of a surrogate pair, which UTF-8 cannot.
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ManifestError(f"has a text that is not valid Unicode ({error.reason})") from error


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    # Python's parser accepts NaN and Infinity, which JSON does not have.
    raise ValueError(f"{name} is not JSON")
