"""Compute an fp32 network with roundings to 16 bits, as a GPU does fp16 and some CPUs do bf16."""

from __future__ import annotations

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

_SUFFIX: Final = "_before_rounding"
_TYPE_BY_PRECISION: Final = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
# From which on ONNX has bf16.
_MIN_OPSET_OF_BF16: Final = 13


def load_rounded_network(path: Path, output: str, precision: str) -> Network:
    """Return a function that classifies an input, 1 x 3 x crop x crop, in 16 bits.

    ONNX Runtime on a CPU leaves out the roundings between two nodes, and the machine that builds an
    artifact need not have the arithmetic. So here the input, the weights and the result of every
    node of the fp32 network are rounded to 16 bits. GPUs (fp16) and CPUs (bf16) add up in 32 bits
    too. In fp16 results are infinite from 65,520 on; bf16 has the range of fp32.

    Args:
        path: ONNX, the fp32 network.
        output: what the network returns, one of the manifest's `OUTPUTS`.
        precision: `fp16` or `bf16`.

    Raises:
        HalfPrecisionError: the network's opset has no bf16.
    """
    element_type = _TYPE_BY_PRECISION[precision]
    options = onnxruntime.SessionOptions()
    # It would join nodes, and so leave out roundings between them.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = onnx.load(path)
    opset = max((each.version for each in model.opset_import if not each.domain), default=0)
    if precision == "bf16" and opset < _MIN_OPSET_OF_BF16:
        raise HalfPrecisionError(
            f"{MODEL_FILE} has opset {opset}, in which ONNX has no bf16: export the network with "
            f"opset {_MIN_OPSET_OF_BF16} or a later one"
        )
    session = onnxruntime.InferenceSession(
        _rounded(model, element_type).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    (image,) = session.get_inputs()

    def classify(pixels: FloatArray) -> Prediction:
        return predict_scores(
            session.run(None, {image.name: _round(pixels, element_type)})[0], output
        )

    return classify


def _round(values: FloatArray, element_type: int) -> FloatArray:
    with numpy.errstate(over="ignore"):
        rounded: FloatArray = values.astype(helper.tensor_dtype_to_np_dtype(element_type))
    return rounded.astype(numpy.float32)


def _rounded(model: onnx.ModelProto, element_type: int) -> onnx.ModelProto:
    model = onnx.shape_inference.infer_shapes(model)
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = _round(numpy_helper.to_array(tensor), element_type)
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
                helper.make_node("Cast", [name + _SUFFIX], [half], to=element_type),
                helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT),
            ]
    del graph.node[:]
    graph.node.extend(nodes)
    return model
