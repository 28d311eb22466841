"""Artifacts for a server's tests, written by hand: neither torch nor our own code is asked.

The network is a classifier of colours: the mean of each channel is the logit of its label.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

LABELS = ["red", "green", "blue"]
SIDE_PIXELS = 8
# What the Model resource gives its container: of the archive, which no test here has.
MODEL_VERSION = "0123456789ab"
_LENGTH_DELIMITED = 2
_FLOAT_TYPE = 1


def write_artifact(folder: Path, **changes: Any) -> Path:
    """Write `model.onnx` and `manifest.json`, the manifest with `changes`; return the folder."""
    folder.mkdir(exist_ok=True)
    network = colour_network()
    (folder / "model.onnx").write_bytes(network)
    manifest = {
        "schema_version": 3,
        "name": "colours",
        "architecture": "mean",
        "labels": LABELS,
        "preprocessing": {
            "resize": SIDE_PIXELS,
            "crop": SIDE_PIXELS,
            "interpolation": "bilinear",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.1, 0.1, 0.1],
        },
        "metrics": {},
        "training_data": {},
        "libraries": {},
        "quantization": None,
        "fast_decoding": None,
        "weights_sha256": hashlib.sha256(b"no weights").hexdigest(),
        "exporter_version": 1,
        "files": {"model.onnx": hashlib.sha256(network).hexdigest()},
    } | changes
    decisive = ("architecture", "exporter_version", "labels", "preprocessing", "quantization",
                "weights_sha256")  # fmt: skip
    canonical = json.dumps(
        {key: manifest[key] for key in decisive}, sort_keys=True, separators=(",", ":")
    )
    identity = hashlib.sha256(canonical.encode()).hexdigest()
    manifest["identity"] = identity
    (folder / "manifest.json").write_text(json.dumps(manifest, sort_keys=True, indent=2))
    return folder


def colour_network() -> bytes:
    """Return an ONNX file (onnx.proto, IR version 8): GlobalAveragePool, then Flatten."""
    nodes = [("GlobalAveragePool", "image", "means"), ("Flatten", "means", "logits")]
    graph = b"".join(
        _field(1, _field(1, given) + _field(2, result) + _field(4, operator))
        for operator, given, result in nodes
    )
    graph += _field(2, "colours")
    graph += _field(11, _tensor("image", ["N", 3, SIDE_PIXELS, SIDE_PIXELS]))
    graph += _field(12, _tensor("logits", ["N", 3]))
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
