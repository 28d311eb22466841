"""Networks that take bytes compute what they computed of normalised images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime  # type: ignore[import-untyped]  # it brings no types
import pytest
from onnx import TensorProto, helper

from classifier.artifact.manifest import Preprocessing
from classifier.engines.byte_input import read_with_byte_input
from classifier.engines.engine import EngineError
from classifier.image.preprocessing import normalise

CROP = 5
# Each channel in another way, so that a mix-up of channels or axes shows.
PREPROCESSING = Preprocessing(
    resize=8, crop=CROP, interpolation="bicubic", mean=(0.1, 0.5, 0.7), std=(0.2, 0.4, 1.5)
)


def _write_network(path: Path, nodes: list[Any], **shape: Any) -> Path:
    image = helper.make_tensor_value_info(
        "image", TensorProto.FLOAT, shape.get("image", ["N", 3, CROP, CROP])
    )
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "network", [image], [logits])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def _images(count: int) -> Any:
    shape = (count, CROP, CROP, 3)
    return numpy.random.default_rng(count).integers(0, 256, shape, dtype=numpy.uint8)


@pytest.mark.parametrize("count", [1, 3])
def test_the_input_is_normalised_as_the_reference_does(tmp_path: Path, count: int) -> None:
    path = _write_network(
        tmp_path / "my model.onnx", [helper.make_node("Identity", ["image"], ["logits"])]
    )
    network = read_with_byte_input(path, PREPROCESSING)
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    images = _images(count)
    (normalised,) = session.run(None, {"image": images})
    expected = numpy.stack([normalise(image, PREPROCESSING) for image in images])
    # The same arithmetic in the same order: no bit differs.
    assert (normalised == expected).all()


def test_every_node_that_reads_the_image_gets_it_normalised(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Abs", ["image"], ["far"]),
        helper.make_node("Add", ["far", "image"], ["logits"]),
    ]
    path = _write_network(tmp_path / "model.onnx", nodes)
    session = onnxruntime.InferenceSession(
        read_with_byte_input(path, PREPROCESSING), providers=["CPUExecutionProvider"]
    )
    (image,) = _images(1)
    expected = normalise(image, PREPROCESSING)
    (found,) = session.run(None, {"image": image[None]})
    assert abs(found[0] - (abs(expected) + expected)).max() <= 1e-6


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ([2, 3, CROP, CROP], r"\[2, 3, 5, 5\]"),
        (["N", 3, CROP, 6], r"\['N', 3, 5, 6\]"),
        (["N", "C", CROP, CROP], r"\['N', 'C', 5, 5\]"),
        (["N", 3], r"\['N', 3\]"),
    ],
)
def test_another_input_is_refused(tmp_path: Path, shape: list[Any], found: str) -> None:
    path = _write_network(
        tmp_path / "model.onnx",
        [helper.make_node("Identity", ["image"], ["logits"])],
        image=shape,
    )
    with pytest.raises(EngineError, match=rf"its input is {found}, .* needs \['N', 3, 5, 5\]"):
        read_with_byte_input(path, PREPROCESSING)
