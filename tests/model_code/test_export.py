"""The exported network: what is in the file."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import torch

from classifier.artifact import read_artifact
from classifier.training.network import digest

from .exported_network import CROP


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
    for trace in (sys.prefix, str(Path(__file__).parents[2]), str(Path.home()), ".py", "File "):
        assert trace.encode() not in content
