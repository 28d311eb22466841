"""The last layer of a classifier's ONNX network: cut off, or replaced by another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy
import onnx
from onnx import numpy_helper

from classifier.engines.engine import OUTPUT_NAME
from classifier.image.preprocessing import FloatArray
from classifier.training.errors import NetworkError

_PASSING_NODES: Final = frozenset({"Cast", "Identity"})


@dataclass(frozen=True)
class LinearHead:
    """The last layer: scores are features @ weights + bias.

    Attributes:
        weights: features x classes.
        bias: one number a class.
    """

    weights: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class _LastLayer:
    """Where a network's last layer is: its first node, its input, the features' number."""

    node: onnx.NodeProto
    features: str
    width: int


def cut_head(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    """Return the network without its last layer, and the number of features that it returns.

    The output keeps its name, so that the serving engines run the result: N x features.

    Raises:
        NetworkError: the network does not end in a linear layer.
    """
    cut = _copy(model)
    last = _last_layer(cut.graph)
    _remove_from(cut.graph, last.node)
    for node in cut.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == last.features:
                    names[place] = OUTPUT_NAME
    _finish(cut, last.width)
    return cut, last.width


def replace_head(model: onnx.ModelProto, head: LinearHead) -> onnx.ModelProto:
    """Return the network with another last layer, computed in 32-bit floats.

    Raises:
        NetworkError: the network does not end in a linear layer, or in one of other features.
    """
    grafted = _copy(model)
    last = _last_layer(grafted.graph)
    width, class_count = head.weights.shape
    if width != last.width:
        raise NetworkError(f"the head takes {width} features, but the network has {last.width}")
    _remove_from(grafted.graph, last.node)
    tensors = {"head.weights": head.weights, "head.bias": head.bias}
    grafted.graph.node.append(
        onnx.helper.make_node("Gemm", [last.features, *tensors], [OUTPUT_NAME], name="head")
    )
    for name, values in tensors.items():
        array = numpy.ascontiguousarray(values, dtype=numpy.float32)
        grafted.graph.initializer.append(numpy_helper.from_array(array, name))
    _finish(grafted, class_count)
    return grafted


def _last_layer(graph: onnx.GraphProto) -> _LastLayer:
    producers = {name: node for node in graph.node for name in node.output}
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    node = producers.get(graph.output[0].name)
    while node is not None and node.op_type in _PASSING_NODES:
        node = producers.get(node.input[0])
    if node is not None and node.op_type == "Add":
        # A bias of its own: scores = features @ weights + bias.
        node = next((producers[name] for name in node.input if name in producers), None)
    is_linear = node is not None and node.op_type in {"Gemm", "MatMul"}
    if node is None or not is_linear or node.input[1] not in tensors:
        found = node.op_type if node else "nothing known"
        raise NetworkError(
            f"the network ends in {found}, not in a linear layer, so a head cannot be trained on "
            "its features; choose another backbone, or MODE=finetune"
        )
    is_transposed = any(a.name == "transB" and a.i for a in node.attribute)
    width = tensors[node.input[1]].dims[1 if is_transposed else 0]
    return _LastLayer(node, node.input[0], int(width))


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _remove_from(graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    """Remove a node and all after it; the order of the nodes is that of the computation."""
    del graph.node[list(graph.node).index(node) :]


def _finish(model: onnx.ModelProto, width: int) -> None:
    """Remove what nothing uses any more; state the output's new width; check the network."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    _keep(graph.initializer, lambda tensor: tensor.name in used)
    made = {name for node in graph.node for name in node.output} - {OUTPUT_NAME}
    _keep(graph.value_info, lambda value: value.name in made)
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = width
    onnx.checker.check_model(model)


def _keep(items: Any, is_kept: Callable[[Any], bool]) -> None:
    kept = [item for item in items if is_kept(item)]
    del items[:]
    items.extend(kept)
