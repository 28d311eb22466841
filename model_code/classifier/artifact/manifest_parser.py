"""Reading a manifest's file text, with every field checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, NoReturn

from classifier.artifact.manifest import SCHEMA_VERSION, Manifest, ManifestError, Preprocessing
from classifier.artifact.measurements import FastDecoding, Quantization

_Kinds = type | tuple[type, ...]
_OPTIONAL_SHARE = (float, NoneType)


def parse_manifest(text: str) -> Manifest:
    """Read a manifest's file text and check every field of it.

    Raises:
        ManifestError: not JSON, nested too deeply, a text that UTF-8 cannot hold, of another
            schema, a field missing, unknown, of a wrong type or out of bounds, or an identity that
            does not follow from the fields.
    """
    try:
        return _parse(text)
    except RecursionError as error:
        raise ManifestError("is not a manifest's JSON: it is nested too deeply") from error


def _parse(text: str) -> Manifest:
    try:
        document = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except ValueError as error:
        raise ManifestError(f"is not JSON ({error})") from error
    _check_encodable(document)
    if not isinstance(document, dict):
        raise ManifestError("is not a JSON object")
    schema_version = document.pop("schema_version", None)
    if schema_version != SCHEMA_VERSION:
        raise ManifestError(
            f"has schema_version {schema_version!r}; this code reads {SCHEMA_VERSION}: "
            "build the artifact again"
        )
    identity = document.pop("identity", None)
    manifest = _manifest_of(document)
    if identity != manifest.identity:
        raise ManifestError(
            "has an identity that does not follow from its fields: it was changed after the build"
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
    _check_texts("labels", document["labels"])
    for mapping in ("files", "libraries"):
        _check_texts(mapping, list(document[mapping].values()))
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
            raise ManifestError(f"preprocessing.{key} must be three numbers, not {values!r}")
        channels[key] = tuple(values)
    return Preprocessing(**{**document, **channels})


def _quantization_of(document: dict[str, Any] | None) -> Quantization | None:
    if document is None:
        return None
    expected: dict[str, _Kinds] = {
        "tool": str,
        "quantizer_version": int,
        "calibration_sha256": str,
        "calibration_pictures": int,
        "held_back_pictures": int,
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
        "pictures": int,
        "reduced_pictures": int,
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
        raise ManifestError(f"has unknown {', '.join(prefix + key for key in unknown)}")
    for key, kinds in expected.items():
        allowed = kinds if isinstance(kinds, tuple) else (kinds,)
        # `type() in` and not isinstance: true is an int to Python, not to a manifest.
        if type(document[key]) not in allowed:
            names = " or ".join(kind.__name__ for kind in allowed)
            raise ManifestError(f"{prefix}{key} must be of type {names}")


def _check_shares(prefix: str, document: dict[str, Any]) -> None:
    for key, value in document.items():
        if type(value) is float and not 0 <= value <= 1:
            raise ManifestError(f"{prefix}{key} is {value}; it must be from 0 to 1")


def _check_texts(name: str, values: Sequence[object]) -> None:
    if not all(isinstance(value, str) for value in values):
        raise ManifestError(f"{name} must hold texts only")


def _check_encodable(document: object) -> None:
    # JSON's escapes can write half of a surrogate pair, which no file or response can hold.
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
    # Python's reader takes NaN and Infinity, which JSON does not have.
    raise ValueError(f"{name} is not JSON")
