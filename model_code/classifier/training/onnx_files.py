"""Write ONNX networks with reproducible bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy
import onnx
from onnx import numpy_helper

from classifier.training.errors import NetworkError

_FLOAT_TYPES: Final = frozenset(
    {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
)


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


def check_finite(model: onnx.ModelProto, name: str) -> None:
    """Check that no weight is NaN or infinite. A mask of zeros and infinities alone is allowed.

    Args:
        model: its tensors are in it, not in other files.
        name: of the model, for the message.

    Raises:
        NetworkError: a weight is not finite; the message names its tensor.
    """
    for tensor in model.graph.initializer:
        if tensor.data_type not in _FLOAT_TYPES:
            continue
        values = numpy_helper.to_array(tensor)
        finite = numpy.isfinite(values)
        if finite.all():
            continue
        if numpy.isnan(values).any() or values[finite].any():
            raise NetworkError(
                f"{name}: the weights are not finite: {tensor.name} has {int((~finite).sum())} "
                "values of NaN or infinity; the training diverged, so take an earlier checkpoint "
                "or train with a lower learning rate"
            )
