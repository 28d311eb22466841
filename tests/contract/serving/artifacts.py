"""Artifacts for a server's tests, written by hand: without torch and our own code.

The network is a classifier of colours: the mean of each channel is the logit of its label. With
another number of labels, label n has the logit of colour n % 3.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LABELS = ["red", "green", "blue"]
SIDE_PIXELS = 8
PREPROCESSING = {
    "resize": SIDE_PIXELS,
    "crop": SIDE_PIXELS,
    "interpolation": "bilinear",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.1, 0.1, 0.1],
}
_LENGTH_DELIMITED = 2
_FLOAT_TYPE = 1


def write_artifact(folder: Path, *, class_count: int | None = None, **changes: Any) -> Path:
    """Write `model.onnx` and `manifest.json`, the manifest with `changes`; return the folder.

    The network has as many classes as there are labels, unless `class_count` says otherwise.
    """
    folder.mkdir(exist_ok=True)
    labels = changes.get("labels", LABELS)
    is_softmax = changes.get("output") == "probabilities"
    network = colour_network(class_count or len(labels), softmax=is_softmax)
    (folder / "model.onnx").write_bytes(network)
    manifest = {
        "schema_version": 4,
        "name": "colours",
        "architecture": "mean",
        "labels": LABELS,
        "preprocessing": PREPROCESSING,
        "output": "logits",
        "metrics": {},
        "training_data": {},
        "libraries": {},
        "backbone": None,
        "baseline": None,
        "quantization": None,
        "fast_decoding": None,
        "weights_sha256": hashlib.sha256(b"no weights").hexdigest(),
        "exporter_version": 1,
        "files": {"model.onnx": hashlib.sha256(network).hexdigest()},
    } | changes
    manifest["identity"] = identity_of(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest, sort_keys=True, indent=2))
    return folder


def identity_of(manifest: Mapping[str, Any]) -> str:
    """Return the sha256 of what decides a model's predictions."""
    decisive = ("architecture", "exporter_version", "labels", "output", "preprocessing",
                "weights_sha256")  # fmt: skip
    document = {key: manifest[key] for key in decisive}
    quantization = manifest["quantization"]
    made_by = ("calibration_sha256", "quantizer_version", "tool")
    shipped = quantization is not None and quantization["shipped"]
    document["quantization"] = {key: quantization[key] for key in made_by} if shipped else None
    half_precision = manifest.get("half_precision")
    if half_precision is not None and half_precision["shipped"]:
        converted_by = ("converter_version", "tool")
        document["half_precision"] = {key: half_precision[key] for key in converted_by}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def colour_network(class_count: int = 3, *, softmax: bool = False) -> bytes:
    """Return an ONNX file (onnx.proto, IR version 8), with a Softmax at its end if `softmax`."""
    nodes = [
        ("GlobalAveragePool", ["image"], "means"),
        ("Flatten", ["means"], "colours"),
        ("MatMul", ["colours", "columns"], "scores" if softmax else "logits"),
    ]
    if softmax:
        nodes.append(("Softmax", ["scores"], "logits"))
    graph = b"".join(
        _field(1, b"".join(_field(1, name) for name in given) + _field(2, result) + _field(4, kind))
        for kind, given, result in nodes
    )
    graph += _field(2, "colours")
    columns = [float(index % 3 == row) for row in range(3) for index in range(class_count)]
    initializer = _field(1, 3) + _field(1, class_count) + _field(2, _FLOAT_TYPE)
    initializer += _field(8, "columns") + _field(9, struct.pack(f"<{len(columns)}f", *columns))
    graph += _field(5, initializer)
    graph += _field(11, _tensor("image", ["N", 3, SIDE_PIXELS, SIDE_PIXELS]))
    graph += _field(12, _tensor("logits", ["N", class_count]))
    operator_set = _field(1, "") + _field(2, 17)
    return _field(1, 8) + _field(7, graph) + _field(8, operator_set)


def _tensor(name: str, shape: list[int | str]) -> bytes:
    dimensions = b"".join(
        _field(1, _field(2, length) if isinstance(length, str) else _field(1, length))
        for length in shape
    )
    tensor_type = _field(1, _FLOAT_TYPE) + _field(2, dimensions)
    return _field(1, name) + _field(2, _field(1, tensor_type))


def _field(number: int, value: bytes | str | int) -> bytes:
    """Encode one protobuf field."""
    if isinstance(value, int):
        return _variable_length(number << 3) + _variable_length(value)
    content = value.encode() if isinstance(value, str) else value
    tag = _variable_length(number << 3 | _LENGTH_DELIMITED)
    return tag + _variable_length(len(content)) + content


def _variable_length(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
