"""Convert an fp32 ONNX network to fp16."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Final

import onnx

from classifier.artifact.manifest import MODEL_FILE
from classifier.training.errors import HalfPrecisionError
from classifier.training.onnx_files import write_onnx

# Raise it when the conversion here changes what is made: it is part of a model's identity.
CONVERTER_VERSION: Final = 1


def tool() -> str:
    """Return the converter's name and version, such as `onnxruntime 1.26.0`."""
    return f"onnxruntime {importlib.metadata.version('onnxruntime')}"


def convert(network_path: Path, output_path: Path) -> None:
    """Write the fp16 network, with the same input and output as the fp32 one, both of 32 bits.

    Raises:
        HalfPrecisionError: ONNX Runtime cannot convert this network.
    """
    # Only now: it is of ONNX Runtime's tools, which nothing else needs.
    from onnxruntime.transformers.float16 import (  # type: ignore[import-untyped]  # it has no types
        convert_float_to_float16,
    )

    try:
        model = convert_float_to_float16(onnx.load(network_path), keep_io_types=True)
        _put_casts_of_inputs_first(model.graph)
        write_onnx(model, output_path)
    except Exception as error:
        # ONNX Runtime's tools and onnx share no error of their own.
        reason = " ".join(str(error).split())
        raise HalfPrecisionError(
            f"ONNX Runtime cannot convert {MODEL_FILE} to fp16: {reason}"
        ) from error


def _put_casts_of_inputs_first(graph: onnx.GraphProto) -> None:
    # The converter appends them, and nodes must stand in the order in which they are computed.
    names = {port.name for port in graph.input}
    nodes = sorted(
        graph.node, key=lambda node: not (node.op_type == "Cast" and node.input[0] in names)
    )
    del graph.node[:]
    graph.node.extend(nodes)
