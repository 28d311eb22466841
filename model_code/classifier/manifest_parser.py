"""Reading a manifest's file text, with every field checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from classifier.manifest import SCHEMA_VERSION, Manifest, ManifestError, Preprocessing


def parse_manifest(text: str) -> Manifest:
    """Read a manifest's file text and check every field of it.

    Raises:
        ManifestError: not JSON, of another schema, a field missing, unknown, of a wrong type or
            out of bounds, or an identity that does not follow from the fields.
    """
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ManifestError(f"is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ManifestError("is not a JSON object")
    schema_version = document.pop("schema_version", None)
    if schema_version != SCHEMA_VERSION:
        raise ManifestError(
            f"has schema_version {schema_version!r}; this code reads {SCHEMA_VERSION}: "
            "build the artifact again"
        )
    identity, version = document.pop("identity", None), document.pop("version", None)
    manifest = _manifest_of(document)
    if (identity, version) != (manifest.identity, manifest.version):
        raise ManifestError(
            "has an identity that does not follow from its fields: it was changed after the build"
        )
    return manifest


def _manifest_of(document: dict[str, Any]) -> Manifest:
    expected: dict[str, type] = {
        "name": str,
        "architecture": str,
        "labels": list,
        "preprocessing": dict,
        "weights_sha256": str,
        "exporter_version": int,
        "files": dict,
        "precision": str,
        "metrics": dict,
        "training_data": dict,
        "libraries": dict,
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
        }
    )


def _preprocessing_of(document: dict[str, Any]) -> Preprocessing:
    expected: dict[str, type] = {
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


def _check_types(prefix: str, document: dict[str, Any], expected: dict[str, type]) -> None:
    if missing := sorted(expected.keys() - document.keys()):
        raise ManifestError(f"lacks {', '.join(prefix + key for key in missing)}")
    if unknown := sorted(document.keys() - expected.keys()):
        raise ManifestError(f"has unknown {', '.join(prefix + key for key in unknown)}")
    for key, kind in expected.items():
        # `type() is` and not isinstance: true is an int to Python, not to a manifest.
        if type(document[key]) is not kind:
            raise ManifestError(f"{prefix}{key} must be of type {kind.__name__}")


def _check_texts(name: str, values: Sequence[object]) -> None:
    if not all(isinstance(value, str) for value in values):
        raise ManifestError(f"{name} must hold texts only")


def _refuse_constant(name: str) -> NoReturn:
    # Python's reader takes NaN and Infinity, which JSON does not have.
    raise ValueError(f"{name} is not JSON")
