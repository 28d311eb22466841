"""What a network takes and returns: its layout, sizes and types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import onnx

from classifier.training.errors import NetworkError

_CHANNELS: Final = 3
_TYPES: Final = {onnx.TensorProto.FLOAT: "float", onnx.TensorProto.UINT8: "uint8"}
_WAYS_THROUGH: Final = frozenset({"Cast", "Identity", "Dropout", "Flatten", "Reshape", "Squeeze"})


@dataclass(frozen=True)
class Ports:
    """The input of images and the output of scores.

    Attributes:
        layouts: the possible ones of `NCHW` and `NHWC`; which it is a run shows where the sizes do
            not tell.
        is_bytes: whether it takes values from 0 to 255 in 8 bits, and normalises them itself.
        batch: number of images, where it is fixed.
        side: height and width in pixels, where they are fixed.
    """

    input_name: str
    output_name: str
    layouts: tuple[str, ...]
    is_bytes: bool
    batch: int | None
    side: int | None


def find_ports(model: onnx.ModelProto, name: str) -> Ports:
    """Return what the network takes and returns.

    Args:
        model: with its weights.
        name: of it, for messages.

    Raises:
        NetworkError: it does not take images, or does not return one score a class.
    """
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise NetworkError(
            f"{name} has the inputs {_listed(inputs)} and the outputs {_listed(graph.output)}; "
            "expected one input of images and one output of a score a class: export the scores "
            "alone"
        )
    image, scores = inputs[0], graph.output[0]
    sizes = _sizes(image)
    kind = image.type.tensor_type.elem_type
    if kind not in _TYPES or sizes is None or len(sizes) != len("NCHW"):
        raise NetworkError(
            f"{name} takes {_described(image)}; expected images as 32-bit floats or uint8, "
            "N x 3 x H x W or N x H x W x 3"
        )
    if scores.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise NetworkError(
            f"{name} returns {_described(scores)}; expected a score a class in 32-bit floats"
        )
    _check_scores(model, name)
    layouts = _layouts(sizes, _described(image), name)
    rows = {sizes[axis] for layout in layouts for axis in _rows_and_columns(layout)}
    if len(fixed := rows - {None}) > 1 and len(layouts) == 1:
        raise NetworkError(f"{name} takes {_described(image)}; expected square images")
    side = fixed.pop() if len(layouts) == 1 and fixed else None
    is_bytes = kind == onnx.TensorProto.UINT8
    return Ports(image.name, scores.name, layouts, is_bytes, sizes[0], side)


def _layouts(sizes: list[int | None], described: str, name: str) -> tuple[str, ...]:
    first, last = sizes[1], sizes[3]
    if first == _CHANNELS and last != _CHANNELS:
        return ("NCHW",)
    if last == _CHANNELS and first != _CHANNELS:
        return ("NHWC",)
    if first not in (None, _CHANNELS) and last not in (None, _CHANNELS):
        raise NetworkError(
            f"{name} takes {described}; expected three channels, N x 3 x H x W or N x H x W x 3"
        )
    return ("NCHW", "NHWC")


def _rows_and_columns(layout: str) -> tuple[int, int]:
    return layout.index("H"), layout.index("W")


def _check_scores(model: onnx.ModelProto, name: str) -> None:
    """Refuse scores of which each is a probability by itself: they are of no classifier."""
    producers = {result: node for node in model.graph.node for result in node.output}
    node = producers.get(model.graph.output[0].name)
    while node is not None and node.op_type in _WAYS_THROUGH and node.input:
        node = producers.get(node.input[0])
    if node is not None and node.op_type == "Sigmoid":
        raise NetworkError(
            f"{name} ends in a Sigmoid, so each score is a probability by itself; expected a "
            "classifier, whose classes exclude each other: export it without the Sigmoid if its "
            "scores were trained with a softmax"
        )


def _sizes(value: onnx.ValueInfoProto) -> list[int | None] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim]


def _described(value: onnx.ValueInfoProto) -> str:
    if not value.type.HasField("tensor_type"):
        return f"{value.name!r}, no tensor"
    kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    sizes = _sizes(value)
    shape = "of any shape" if sizes is None else " x ".join(str(size or "?") for size in sizes)
    return f"{value.name!r}, {kind} {shape}"


def _listed(values: list[onnx.ValueInfoProto]) -> str:
    return "; ".join(map(_described, values)) or "none"
