"""Rewrite a network to the artifact's ports: `image` N x 3 x H x W, `logits` N x classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy
import onnx
from onnx import helper, numpy_helper

from classifier.engines.engine import INPUT_NAME, OUTPUT_NAME
from classifier.training.onnx_import.ports import Ports

# Before each name of the source, so that none is one of the contract's.
_PREFIX: Final = "source/"
_TO_NHWC: Final = (0, 2, 3, 1)
_MIN_IR_VERSION: Final = 4  # weights that are no inputs


def to_contract(
    model: onnx.ModelProto, ports: Ports, layout: str, *, crop: int, class_count: int
) -> onnx.ModelProto:
    """Return the network with the artifact's input and output, for any number of images.

    Args:
        model: as it was brought; it stays as it is.
        ports: of it.
        layout: one of `ports.layouts`.
        crop: side of an image in pixels.
        class_count: number of scores.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    if ports.batch is not None:
        _free_batch(result, ports)
    result = onnx.compose.add_prefix(result, _PREFIX)
    result.ir_version = max(result.ir_version, _MIN_IR_VERSION)
    graph = result.graph
    weights: dict[str, numpy.ndarray] = {}
    before = _steps_before(f"{_PREFIX}{ports.input_name}", ports, layout, weights)
    # Harmless where there is nothing to flatten.
    after = helper.make_node("Flatten", [f"{_PREFIX}{ports.output_name}"], [OUTPUT_NAME], axis=1)
    for node in reversed(before):
        graph.node.insert(0, node)
    graph.node.append(after)
    for field in (graph.input, graph.output, graph.value_info):
        del field[:]
    graph.initializer.extend(numpy_helper.from_array(each, name) for name, each in weights.items())
    tensor = onnx.TensorProto.FLOAT
    graph.input.append(helper.make_tensor_value_info(INPUT_NAME, tensor, ["N", 3, crop, crop]))
    graph.output.append(helper.make_tensor_value_info(OUTPUT_NAME, tensor, ["N", class_count]))
    return result


def _steps_before(
    name: str, ports: Ports, layout: str, weights: dict[str, numpy.ndarray]
) -> list[onnx.NodeProto]:
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if ports.is_bytes:
        # The engine divides bytes by 255; Cast cuts off what the half rounds.
        weights["255"] = numpy.array([255], dtype=numpy.float32)
        weights["half"] = numpy.array([0.5], dtype=numpy.float32)
        steps += [
            ("Mul", ["255"], {}),
            ("Add", ["half"], {}),
            ("Cast", [], {"to": onnx.TensorProto.UINT8}),
        ]
    if layout == "NHWC":
        steps.append(("Transpose", [], {"perm": _TO_NHWC}))
    nodes = []
    current = INPUT_NAME
    for number, (kind, others, attributes) in enumerate(steps or [("Identity", [], {})], start=1):
        following = name if number == max(1, len(steps)) else f"image {number}"
        nodes.append(helper.make_node(kind, [current, *others], [following], **attributes))
        current = following
    return nodes


def _free_batch(model: onnx.ModelProto, ports: Ports) -> None:
    """Let the network take any number of images where shapes in it are fixed for one number."""
    graph, batch = model.graph, ports.batch
    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except onnx.shape_inference.InferenceError:
        inferred = model
    values = [*inferred.graph.value_info, *inferred.graph.input]
    first_size = {
        value.name: value.type.tensor_type.shape.dim[0].dim_value
        for value in values
        if value.type.tensor_type.shape.dim
    }
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    dependent = {ports.input_name}
    for place, node in enumerate(graph.node):
        if not dependent.intersection(node.input):
            continue
        dependent.update(node.output)
        if node.op_type == "Reshape" and node.input[1] in constants:
            shape = numpy_helper.to_array(constants[node.input[1]])
            freed = _freed(list(shape), batch, first_size.get(node.input[0]))
            name = f"shape for any batch {place}"
            graph.initializer.append(
                numpy_helper.from_array(numpy.array(freed, dtype=numpy.int64), name)
            )
            node.input[1] = name
    for value in graph.input:
        if value.name == ports.input_name:
            value.type.tensor_type.shape.dim[0].dim_param = "N"


def _freed(shape: Iterable[int], batch: int | None, given: int | None) -> list[int]:
    """Return a target of Reshape that has the same sizes, but any number of images."""
    sizes = [int(size) for size in shape]
    if not sizes or sizes[0] != batch:
        return sizes
    if -1 not in sizes and 0 not in sizes:
        return [-1, *sizes[1:]]
    # 0 takes the size of what is reshaped.
    return [0, *sizes[1:]] if given == batch else sizes
