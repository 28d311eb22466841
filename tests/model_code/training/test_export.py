"""The exported network: what is in the file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from classifier.artifact.directory import read_artifact
from classifier.training.export import output_kind, write_artifact
from classifier.training.weights.network import digest
from tests.model_code.training.exported_network import CROP, DESCRIPTION


def test_the_artifact_vouches_for_its_network(
    artifact_folder: Path, network: torch.nn.Module
) -> None:
    manifest = read_artifact(artifact_folder).manifest
    assert manifest.weights_sha256 == digest(network.state_dict())
    assert manifest.libraries["torch"] == torch.__version__.partition("+")[0]


def test_the_batch_is_dynamic_and_the_names_are_the_contracts(artifact_folder: Path) -> None:
    model = onnx.load(artifact_folder / "model.onnx")
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("image", "logits")
    batch, *others = image.type.tensor_type.shape.dim
    assert batch.dim_param
    assert not batch.dim_value
    assert [dimension.dim_value for dimension in others] == [3, CROP, CROP]


def test_nothing_of_the_builder_is_in_the_file(artifact_folder: Path) -> None:
    content = (artifact_folder / "model.onnx").read_bytes()
    assert len(content) > 1_000_000
    for trace in (sys.prefix, str(Path(__file__).parents[3]), str(Path.home()), ".py", "File "):
        assert trace.encode() not in content


class _Head(torch.nn.Module):
    """A classifier of four colours that ends in the module that it is given."""

    def __init__(self, end: torch.nn.Module) -> None:
        super().__init__()
        self.head = torch.nn.Linear(3, 4)
        self.end = end

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.end(self.head(image.mean(dim=(2, 3))))
        return output


@pytest.mark.parametrize(
    ("end", "output"),
    [
        (torch.nn.Identity(), "logits"),
        (torch.nn.Softmax(dim=1), "probabilities"),
        (torch.nn.Sequential(torch.nn.Softmax(dim=-1), torch.nn.Dropout()), "probabilities"),
        (torch.nn.LogSoftmax(dim=1), "logits"),
        (torch.nn.Sequential(torch.nn.Softmax(dim=1), torch.nn.Linear(4, 4)), "logits"),
    ],
)
def test_the_manifest_says_what_the_networks_output_is(
    end: torch.nn.Module, output: str, tmp_path: Path
) -> None:
    assert write_artifact(_Head(end), DESCRIPTION, tmp_path).output == output
    assert read_artifact(tmp_path).manifest.output == output


def _graph(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 4])
        for name in ("image", "logits")
    ]
    graph = onnx.helper.make_graph(nodes, "graph", ports[:1], ports[1:])
    return onnx.helper.make_model(graph)


@pytest.mark.parametrize(
    ("nodes", "output"),
    [
        ((), "logits"),
        ((("Softmax", "image", "logits", {}),), "probabilities"),
        ((("Softmax", "image", "logits", {"axis": 1}),), "probabilities"),
        # Over the images of a batch: no probabilities of classes.
        ((("Softmax", "image", "logits", {"axis": 0}),), "logits"),
        (
            (("Softmax", "image", "half", {}), ("Cast", "half", "logits", {"to": 1})),
            "probabilities",
        ),
        ((("Softmax", "image", "soft", {}), ("Relu", "soft", "logits", {})), "logits"),
    ],
)
def test_only_a_softmax_over_the_classes_at_the_end_gives_probabilities(
    nodes: tuple[tuple[str, str, str, dict[str, Any]], ...], output: str
) -> None:
    made = [
        onnx.helper.make_node(kind, [given], [result], **attributes)
        for kind, given, result, attributes in nodes
    ]
    assert output_kind(_graph(*made)) == output
