"""Export a trained network as the files of an artifact: ONNX and manifest."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import onnx
import torch

from classifier.artifact.directory import file_sha256
from classifier.artifact.manifest import (
    FILE_BY_PRECISION,
    MODEL_FILE,
    Manifest,
    Preprocessing,
)
from classifier.artifact.provenance import Backbone
from classifier.artifact.samples import SAMPLE_FOLDER
from classifier.training.errors import NetworkError
from classifier.training.manifest_files import library_versions, write_manifest
from classifier.training.onnx_files import write_onnx
from classifier.training.weights.network import digest

# Raise it when the export changes what the network computes: it is part of a model's identity.
EXPORTER_VERSION: Final = 1
_PASSING_NODES: Final = {"Cast", "Dropout", "Identity"}
_LIBRARIES: Final = ("onnx", "onnxscript", "torch", "torchvision")


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """What the manifest says about a network besides its weights."""

    name: str
    architecture: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training_data: Mapping[str, Any] = field(default_factory=dict)
    backbone: Backbone | None = None


def write_artifact(
    network: torch.nn.Module, description: ModelDescription, directory: Path
) -> Manifest:
    """Write `model.onnx` and `manifest.json` into `directory`, which must exist.

    The manifest is written last, with the sha256 of the other file.
    """
    model_path = directory / MODEL_FILE
    # Of an earlier network, perhaps; all that is in the folder goes into the archive.
    for name in FILE_BY_PRECISION.values():
        (directory / name).unlink(missing_ok=True)
    shutil.rmtree(directory / SAMPLE_FOLDER, ignore_errors=True)
    model = _export_onnx(network, description.preprocessing.crop)
    write_onnx(model, model_path)
    manifest = Manifest(
        name=description.name,
        architecture=description.architecture,
        labels=description.labels,
        preprocessing=description.preprocessing,
        output=output_kind(model),
        metrics=description.metrics,
        training_data=description.training_data,
        backbone=description.backbone,
        weights_sha256=digest(network.state_dict()),
        exporter_version=EXPORTER_VERSION,
        files={MODEL_FILE: file_sha256(model_path)},
        libraries=library_versions(_LIBRARIES),
    )
    write_manifest(manifest, directory)
    return manifest


def _export_onnx(network: torch.nn.Module, crop: int) -> onnx.ModelProto:
    network = network.cpu().eval()
    # The exporter decomposes each activation that works in place, which doubles its time for a
    # network with ReLU6; what is computed is the same.
    for module in network.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010 - torch declares no such attribute
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        # Two images, because a batch of one would be taken for a constant.
        program = torch.onnx.export(
            network,
            (torch.zeros(2, 3, crop, crop),),
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise NetworkError("torch.onnx.export returned no program")
    return program.model_proto


def output_kind(model: onnx.ModelProto) -> str:
    """Return what a network's one output holds, one of the manifest's `OUTPUTS`.

    It is probabilities where the last node is a Softmax over the classes, and else logits: the
    logarithms of probabilities (LogSoftmax) are logits too. Nodes that only pass a tensor on
    are looked through.
    """
    node_by_result = {name: node for node in model.graph.node for name in node.output}
    node = node_by_result.get(model.graph.output[0].name)
    while node is not None and node.op_type in _PASSING_NODES:
        node = node_by_result.get(node.input[0])
    if node is None or node.op_type != "Softmax":
        return "logits"
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    # Of a tensor (images, classes); the default is the last axis.
    return "probabilities" if axes in ([], [1], [-1]) else "logits"
