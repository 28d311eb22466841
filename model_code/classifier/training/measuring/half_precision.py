"""Convert an fp32 ONNX network to fp16, and compute on a CPU what a GPU would of it."""

from __future__ import annotations

import importlib.metadata
import itertools
from pathlib import Path
from typing import Final

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from classifier.artifact.manifest import MODEL_FILE
from classifier.engines.onnxruntime_session import onnxruntime
from classifier.image.preprocessing import FloatArray
from classifier.training.errors import HalfPrecisionError
from classifier.training.measuring.prediction import Network, Prediction, predict_scores
from classifier.training.onnx_files import write_onnx

# Raise it when the conversion here changes what is made: it is part of a model's identity.
CONVERTER_VERSION: Final = 1
_SUFFIX: Final = "_before_rounding"


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


def load_rounded_network(path: Path, output: str) -> Network:
    """Return a function that classifies an input, 1 x 3 x crop x crop, as the fp16 network does.

    CPUs have no arithmetic of 16 bits, and ONNX Runtime leaves out the roundings between two nodes.
    So here the weights and the result of every node of the fp32 network are rounded to 16 bits,
    which are infinite from 65,520 on. A GPU adds up in 32 bits too.

    Args:
        path: ONNX, the fp32 network.
        output: what the network returns, one of the manifest's `OUTPUTS`.
    """
    options = onnxruntime.SessionOptions()
    # It would join nodes, and so leave out roundings between them.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        _rounded(onnx.load(path)).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (image,) = session.get_inputs()

    def classify(pixels: FloatArray) -> Prediction:
        return predict_scores(session.run(None, {image.name: pixels})[0], output)

    return classify


def _put_casts_of_inputs_first(graph: onnx.GraphProto) -> None:
    # The converter appends them, and nodes must stand in the order in which they are computed.
    names = {port.name for port in graph.input}
    nodes = sorted(
        graph.node, key=lambda node: not (node.op_type == "Cast" and node.input[0] in names)
    )
    del graph.node[:]
    graph.node.extend(nodes)


def _rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    model = onnx.shape_inference.infer_shapes(model)
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            with numpy.errstate(over="ignore"):
                values = numpy_helper.to_array(tensor).astype(numpy.float16).astype(numpy.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    floats = {
        port.name
        for port in itertools.chain(graph.value_info, graph.input, graph.output)
        if port.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        rounded = [name for name in node.output if name in floats]
        node.output[:] = [name + _SUFFIX if name in floats else name for name in node.output]
        nodes.append(node)
        for name in rounded:
            half = f"{name}_half"
            nodes += [
                helper.make_node("Cast", [name + _SUFFIX], [half], to=TensorProto.FLOAT16),
                helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT),
            ]
    del graph.node[:]
    graph.node.extend(nodes)
    return model
