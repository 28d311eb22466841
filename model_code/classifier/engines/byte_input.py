"""Normalisation as a part of the network, so that crops reach the GPU as bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from classifier.artifact.manifest import Preprocessing
from classifier.engines.engine import INPUT_NAME, EngineError, check_ports
from classifier.image.preprocessing import normalisation

_PREFIX: Final = "bytes_"
_CHANNELS_FIRST: Final = (0, 3, 1, 2)


def read_with_byte_input(model_path: Path, preprocessing: Preprocessing) -> bytes:
    """Return the network of `model_path` with another input: N x crop x crop x 3, bytes.

    An image has a quarter of the bytes then, and the processor has no arithmetic to do for it. The
    arithmetic is that of `preprocessing.normalise`, in 32 bits.

    Args:
        model_path: ONNX; input `image` N x 3 x crop x crop of 32 bits, output `logits`.
        preprocessing: from the manifest; has crop, mean and standard deviation.

    Raises:
        EngineError: not an ONNX network, or another input.
    """
    try:
        model = onnx.load(model_path)
    except Exception as error:  # of protobuf, which onnx does not wrap
        reason = " ".join(str(error).split())
        raise EngineError(f"{model_path} is no network that can be served: {reason}") from error
    _check_input(model.graph, model_path, preprocessing.crop)
    normalised = f"{_PREFIX}normalised"
    for node in model.graph.node:
        node.input[:] = [normalised if name == INPUT_NAME else name for name in node.input]
    _prepend(model.graph, preprocessing, normalised)
    network: bytes = model.SerializeToString()
    return network


def _check_input(graph: onnx.GraphProto, model_path: Path, crop: int) -> None:
    weights = {tensor.name for tensor in graph.initializer}
    check_ports(
        [port.name for port in graph.input if port.name not in weights],
        [port.name for port in graph.output],
    )
    # A dimension that varies is a name or has nothing.
    dimensions = graph.input[0].type.tensor_type.shape.dim
    batch, *image_shape = [one.dim_value or one.dim_param or None for one in dimensions] or [None]
    if isinstance(batch, int) or image_shape != [3, crop, crop]:
        raise EngineError(
            f"{model_path} is no network that can be served: its input is {[batch, *image_shape]}, "
            f"and the manifest needs ['N', 3, {crop}, {crop}]"
        )


def _prepend(graph: onnx.GraphProto, preprocessing: Preprocessing, result: str) -> None:
    names = [f"{_PREFIX}{step}" for step in ("numbers", "scaled", "shifted")]
    numbers, scaled, shifted = names
    factor, offset = normalisation(preprocessing)
    for name, values in ((f"{_PREFIX}factor", factor), (f"{_PREFIX}offset", offset)):
        graph.initializer.append(numpy_helper.from_array(values.astype(numpy.float32), name))
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], [numbers], to=TensorProto.FLOAT),
        helper.make_node("Mul", [numbers, f"{_PREFIX}factor"], [scaled]),
        helper.make_node("Sub", [scaled, f"{_PREFIX}offset"], [shifted]),
        helper.make_node("Transpose", [shifted], [result], perm=_CHANNELS_FIRST),
    ]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    crop = preprocessing.crop
    graph.input[0].CopyFrom(
        helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", crop, crop, 3])
    )
