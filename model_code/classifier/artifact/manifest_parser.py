"""The one parser of a manifest's file, which checks every field. Standard library only."""

from __future__ import annotations

import json
import math
from types import NoneType
from typing import Any, NoReturn

from classifier.artifact.manifest import OPTIONAL_SECTIONS, SCHEMA_VERSION, Manifest
from classifier.artifact.manifest_errors import FieldError, ManifestError
from classifier.artifact.manifest_fields import FILES, Kinds, check_types
from classifier.artifact.manifest_sections import (
    backbone_of,
    baseline_of,
    bfloat16_of,
    fast_decoding_of,
    half_precision_of,
    preprocessing_of,
    quantization_of,
)


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
        raise FieldError("schema_version", schema_version, _expected_schema(schema_version))
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


def _expected_schema(found: object) -> str:
    if type(found) is int and found < SCHEMA_VERSION:
        return (
            f"{SCHEMA_VERSION}: an earlier version of this project wrote it. `make model` builds a "
            "default model again; train your own again with `make train` or model_code/train.py"
        )
    return str(SCHEMA_VERSION)


def _manifest_of(document: dict[str, Any]) -> Manifest:
    expected: dict[str, Kinds] = {
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
        "backbone": (dict, NoneType),
        "baseline": (dict, NoneType),
        "quantization": (dict, NoneType),
        "half_precision": (dict, NoneType),
        "bfloat16": (dict, NoneType),
        "fast_decoding": (dict, NoneType),
    }
    document = dict.fromkeys(OPTIONAL_SECTIONS) | document
    check_types("", document, expected)
    for name, texts, description in (
        ("labels", document["labels"], "texts only"),
        ("files", document["files"].values(), FILES),
        ("libraries", document["libraries"].values(), "texts only"),
    ):
        if not all(isinstance(text, str) for text in texts):
            raise FieldError(name, document[name], description)
    return Manifest(
        **{
            **document,
            "labels": tuple(document["labels"]),
            "preprocessing": preprocessing_of(document["preprocessing"]),
            "backbone": backbone_of(document["backbone"]),
            "baseline": baseline_of(document["baseline"]),
            "quantization": quantization_of(document["quantization"]),
            "half_precision": half_precision_of(document["half_precision"]),
            "bfloat16": bfloat16_of(document["bfloat16"]),
            "fast_decoding": fast_decoding_of(document["fast_decoding"]),
        }
    )


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
