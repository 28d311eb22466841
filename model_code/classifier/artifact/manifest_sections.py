"""The objects inside a manifest's JSON, each with every field checked. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Final, TypeVar

from classifier.artifact.baseline import Baseline, Distribution
from classifier.artifact.manifest import Preprocessing
from classifier.artifact.manifest_errors import FieldError
from classifier.artifact.manifest_fields import Kinds, check_shares, check_types
from classifier.artifact.measurements import (
    Bfloat16,
    FastDecoding,
    HalfPrecision,
    Quantization,
)
from classifier.artifact.provenance import Backbone

_Record = TypeVar("_Record")
_OPTIONAL_SHARE: Final = (float, NoneType)
# Of figures that are shares; an entropy is not bounded by 1.
_SHARES: Final = ("top_probability", "brightness", "sharpness")


def preprocessing_of(document: dict[str, Any]) -> Preprocessing:
    """Parse `preprocessing`.

    Raises:
        ManifestError: a member is missing, unknown, of a wrong type or out of bounds.
    """
    expected: dict[str, Kinds] = {
        "resize": int,
        "crop": int,
        "interpolation": str,
        "mean": list,
        "std": list,
    }
    check_types("preprocessing.", document, expected)
    channels = {}
    for key in ("mean", "std"):
        values = document[key]
        if len(values) != 3 or not all(type(value) in (int, float) for value in values):
            raise FieldError(f"preprocessing.{key}", values, "three numbers")
        channels[key] = tuple(values)
    return Preprocessing(**{**document, **channels})


def quantization_of(document: dict[str, Any] | None) -> Quantization | None:
    """Parse `quantization`, which may be null.

    Raises:
        ManifestError: a member is missing, unknown, of a wrong type or out of bounds.
    """
    expected: dict[str, Kinds] = {
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
    return _record_of(Quantization, "quantization", document, expected)


def half_precision_of(document: dict[str, Any] | None) -> HalfPrecision | None:
    """Parse `half_precision`, which may be null.

    Raises:
        ManifestError: a member is missing, unknown, of a wrong type or out of bounds.
    """
    expected: dict[str, Kinds] = {
        "tool": str,
        "converter_version": int,
        "held_back_images": int,
        "agreement": _OPTIONAL_SHARE,
        "fp32_accuracy": _OPTIONAL_SHARE,
        "fp16_accuracy": _OPTIONAL_SHARE,
        "shipped": bool,
    }
    return _record_of(HalfPrecision, "half_precision", document, expected)


def bfloat16_of(document: dict[str, Any] | None) -> Bfloat16 | None:
    """Parse `bfloat16`, which may be null.

    Raises:
        ManifestError: a member is missing, unknown, of a wrong type or out of bounds.
    """
    expected: dict[str, Kinds] = {
        "held_back_images": int,
        "agreement": _OPTIONAL_SHARE,
        "fp32_accuracy": _OPTIONAL_SHARE,
        "bf16_accuracy": _OPTIONAL_SHARE,
        "accepted": bool,
    }
    return _record_of(Bfloat16, "bfloat16", document, expected)


def fast_decoding_of(document: dict[str, Any] | None) -> FastDecoding | None:
    """Parse `fast_decoding`, which may be null.

    Raises:
        ManifestError: a member is missing, unknown, of a wrong type or out of bounds.
    """
    expected: dict[str, Kinds] = {
        "images": int,
        "reduced_images": int,
        "agreement": float,
        "exact_accuracy": _OPTIONAL_SHARE,
        "fast_accuracy": _OPTIONAL_SHARE,
    }
    return _record_of(FastDecoding, "fast_decoding", document, expected)


def backbone_of(document: dict[str, Any] | None) -> Backbone | None:
    """Parse `backbone`, which may be null.

    Raises:
        ManifestError: a member is missing, unknown, of a wrong type or out of bounds.
    """
    expected: dict[str, Kinds] = {
        "name": str,
        "source": str,
        "license": (str, NoneType),
        "sha256": str,
    }
    return _record_of(Backbone, "backbone", document, expected)


def baseline_of(document: dict[str, Any] | None) -> Baseline | None:
    """Parse `baseline`, which may be null.

    Raises:
        ManifestError: a member is missing, unknown, of a wrong type or out of bounds.
    """
    if document is None:
        return None
    figures = (*_SHARES, "entropy")
    expected: dict[str, Kinds] = {"images": int, "class_shares": list}
    check_types("baseline.", document, expected | dict.fromkeys(figures, dict))
    if document["images"] < 1:
        raise FieldError("baseline.images", document["images"], "1 or more")
    shares = document["class_shares"]
    if not all(type(share) is float and 0 <= share <= 1 for share in shares):
        raise FieldError("baseline.class_shares", shares, "shares from 0 to 1")
    parsed = {name: _distribution_of(name, document[name]) for name in figures}
    return Baseline(**{**document, **parsed, "class_shares": tuple(shares)})


def _record_of(
    record: Callable[..., _Record],
    name: str,
    document: dict[str, Any] | None,
    expected: Mapping[str, Kinds],
) -> _Record | None:
    if document is None:
        return None
    check_types(f"{name}.", document, expected)
    check_shares(f"{name}.", document)
    return record(**document)


def _distribution_of(name: str, document: dict[str, Any]) -> Distribution:
    prefix = f"baseline.{name}."
    check_types(prefix, document, {"mean": float, "std": float})
    if name in _SHARES:
        check_shares(prefix, document)
    for key, value in document.items():
        if value < 0:
            raise FieldError(prefix + key, value, "0 or more")
    return Distribution(**document)
