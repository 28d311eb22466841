"""Write ONNX networks with reproducible bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx


def write_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write a network to a file: reproducible bytes, without the builder's metadata."""
    _strip_metadata(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _strip_metadata(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes beside the network: stack traces with the builder's paths."""
    graph = model.graph
    described: list[Any] = [model, graph, *model.functions]
    for part in (graph, *model.functions):
        described += [*part.node, *part.value_info]
    described += [*graph.initializer, *graph.input, *graph.output]
    for item in described:
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
