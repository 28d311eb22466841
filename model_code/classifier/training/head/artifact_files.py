"""The files of an artifact that is a frozen backbone with a new head."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import Final

import numpy
import onnx

from classifier.artifact.directory import MANIFEST_FILE, file_sha256
from classifier.artifact.manifest import FILE_BY_PRECISION, MODEL_FILE, Manifest
from classifier.artifact.samples import SAMPLE_FOLDER
from classifier.training.dataset.source import describe_data
from classifier.training.dataset.splitting import Dataset
from classifier.training.features.backbone import Backbone
from classifier.training.head.fitting import FittedHead
from classifier.training.head.graft import LinearHead, replace_head
from classifier.training.manifest_files import library_versions, write_manifest
from classifier.training.onnx_files import write_onnx
from classifier.training.options import TrainingOptions
from classifier.training.weights.provenance import backbone_of
from classifier.training.weights.timm_import import TIMM_PREFIX

_LIBRARIES: Final = ("numpy", "onnx", "openvino", "pillow", "scipy")


def write_network(
    options: TrainingOptions,
    backbone: Backbone,
    dataset: Dataset,
    fitted: FittedHead,
    version: str,
) -> Manifest:
    """Write the network with its new head and a manifest without metrics; return the manifest.

    Both are complete, should judging be stopped.

    Args:
        options: of the run.
        backbone: the frozen network.
        dataset: what the head was trained on and is judged by.
        fitted: the head.
        version: of the dataset.
    """
    options.model_dir.mkdir(parents=True, exist_ok=True)
    model_path = options.model_dir / MODEL_FILE
    # Those of an earlier network. The manifest first: without it there is no artifact.
    for name in (MANIFEST_FILE, *FILE_BY_PRECISION.values()):
        (options.model_dir / name).unlink(missing_ok=True)
    shutil.rmtree(options.model_dir / SAMPLE_FOLDER, ignore_errors=True)
    write_onnx(replace_head(onnx.load(backbone.model_path), fitted.head), model_path)
    manifest = replace(
        backbone.manifest,
        name=options.name or options.architecture.removeprefix(TIMM_PREFIX),
        labels=dataset.labels,
        weights_sha256=_digest(backbone.manifest.weights_sha256, fitted.head),
        files={MODEL_FILE: file_sha256(model_path)},
        metrics={},
        training_data={
            **describe_data(options, dataset, version),
            "penalty": fitted.penalty,
        },
        backbone=backbone_of(
            backbone.manifest.architecture,
            backbone.manifest.training_data,
            backbone.manifest.weights_sha256,
        ),
        libraries=dict(backbone.manifest.libraries) | library_versions(_LIBRARIES),
    )
    write_manifest(manifest, options.model_dir)
    return manifest


def _digest(backbone_sha256: str, head: LinearHead) -> str:
    total = hashlib.sha256(backbone_sha256.encode())
    for tensor in (head.weights, head.bias):
        total.update(f"{tensor.shape}\n".encode())
        total.update(numpy.ascontiguousarray(tensor, dtype="<f4").tobytes())
    return total.hexdigest()
