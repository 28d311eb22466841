"""Small classifiers as other people's exporters write them, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
CLASS_COUNT = 5


def write_network(path: Path, model: onnx.ModelProto | None = None, **options: Any) -> Path:
    path.write_bytes((model or make_network(**options)).SerializeToString())
    return path


def make_network(
    *,
    layout: str = "NCHW",
    batch: int | str = "N",
    side: int | str = SIDE,
    is_bytes: bool = False,
    reshapes: bool = False,
    end: str | None = None,
    classes: int = CLASS_COUNT,
    channels: int = 3,
    opset: int = 17,
    seed: int = 3,
) -> onnx.ModelProto:
    """Return a network that weighs each pixel of a 2 x 2 grid by its place and channel."""
    generator = numpy.random.default_rng(seed)
    weights = {
        "image": generator.normal(size=(6, channels, 3, 3)),  # a name of the artifact's contract
        "logits": generator.normal(size=(6 * 4, classes)),
        "bias": generator.normal(size=classes),
    }
    sizes = [batch, channels, side, side] if layout == "NCHW" else [batch, side, side, channels]
    nodes: list[onnx.NodeProto] = []
    current = "pixels"

    def add(kind: str, *others: str, **attributes: Any) -> None:
        nonlocal current
        following = f"after {len(nodes)}"
        nodes.append(helper.make_node(kind, [current, *others], [following], **attributes))
        current = following

    if is_bytes:
        add("Cast", to=TensorProto.FLOAT)
        weights["hundred"] = numpy.array([100.0])
        add("Div", "hundred")
    if layout == "NHWC":
        add("Transpose", perm=[0, 3, 1, 2])
    add("Conv", "image", kernel_shape=[3, 3], strides=[2, 2])
    add("Relu")
    # A quarter of the image each, so that a turned or mirrored one has other scores.
    add("AveragePool", kernel_shape=[2, 2], strides=[1, 1])
    tensors = [
        numpy_helper.from_array(each.astype(numpy.float32), name) for name, each in weights.items()
    ]
    if reshapes:
        # As exporters write `x.view(1, -1)` of a batch that is fixed.
        tensors.append(numpy_helper.from_array(numpy.array([batch, 6 * 4], numpy.int64), "shape"))
        add("Reshape", "shape")
    else:
        add("Flatten")
    add("Gemm", "logits", "bias")
    if end:
        add(end)
    kind = TensorProto.UINT8 if is_bytes else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixels", kind, sizes)],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, [batch, classes])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def never_ending() -> onnx.ModelProto:
    """Return a network with a loop without an end."""
    pixels = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes on"]),
            helper.make_node("Add", ["old", "old"], ["doubled"]),
            helper.make_node("Mul", ["doubled", "half"], ["new"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("old", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("new", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(numpy.array([0.5], numpy.float32), "half")],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Loop", ["", "one", "image"], ["same"], body=body),
            helper.make_node("ReduceMean", ["same"], ["scores"], axes=[2, 3], keepdims=0),
        ],
        "network",
        [pixels],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(numpy.array(True), "one")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
