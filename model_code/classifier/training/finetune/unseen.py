"""What an artifact says about its test images and its data, after fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy
import torch

from classifier.artifact.manifest import MODEL_FILE, Manifest
from classifier.artifact.provenance import Backbone
from classifier.image.preprocessing import FloatArray
from classifier.training.dataset.folders import evaluation_transform, read_image
from classifier.training.features.extraction import Network
from classifier.training.features.runtime import (
    compute_images,
    has_openvino,
    runtime,
    tell_other_runtime,
)
from classifier.training.finetune.images import LabelledFile
from classifier.training.finetune.run import metric_line
from classifier.training.head.judging import Judgement
from classifier.training.manifest_files import write_manifest
from classifier.training.options import TrainingOptions
from classifier.training.test_images import add_test_images
from classifier.training.weights.network import digest
from classifier.training.weights.pretrained import published_weights
from classifier.training.weights.provenance import backbone_of


def published_backbone(options: TrainingOptions) -> Backbone | None:
    """Return the published weights that training starts with; `None` with others."""
    if options.from_scratch or options.weights_file:
        return None
    published = published_weights(options.architecture)[0]
    return backbone_of(options.architecture, published.training_data, digest(published.load()))


def judge_test_images(
    network: torch.nn.Module,
    manifest: Manifest,
    files: Sequence[LabelledFile],
    options: TrainingOptions,
    device: torch.device,
) -> Manifest:
    """Run the exported network over the test images; complete the artifact and print the metrics.

    OpenVINO runs it, as it is served; where that is not installed, torch runs the network.

    Args:
        network: that was exported.
        manifest: of the artifact in `options.model_dir`.
        files: of the test images.
        options: of the run.
        device: of the network, for torch.

    Returns:
        The artifact's manifest with accuracy and baseline, which is written.
    """
    paths = [file.path for file in files]
    classes = numpy.array([file.class_index for file in files], dtype=numpy.int64)
    tell_other_runtime()
    if has_openvino():
        model_path = options.model_dir / MODEL_FILE
        served = Network(model_path, manifest.preprocessing, len(manifest.labels))
        with closing(served):
            logits = compute_images(served, paths)
    else:
        logits = _logits_of_torch(network.to(device).eval(), manifest, paths, options, device)
    judgement = Judgement(logits, classes)
    metrics = judgement.metrics("test")
    shown = {name: value for name, value in metrics.items() if name != "test_images"}
    print(metric_line(shown), flush=True)
    manifest = replace(
        manifest,
        metrics={**manifest.metrics, **metrics},
        training_data={**manifest.training_data, "judged_by": runtime()},
    )
    manifest = add_test_images(manifest, judgement, paths, options)
    write_manifest(manifest, options.model_dir)
    return manifest


def _logits_of_torch(
    network: torch.nn.Module,
    manifest: Manifest,
    paths: Sequence[Path],
    options: TrainingOptions,
    device: torch.device,
) -> FloatArray:
    transform = evaluation_transform(manifest.preprocessing)
    rows: list[FloatArray] = []
    with torch.inference_mode():
        for start in range(0, len(paths), options.batch_size):
            batch = paths[start : start + options.batch_size]
            images = torch.stack([transform(read_image(path)) for path in batch])
            rows.append(network(images.to(device)).float().cpu().numpy())
    return numpy.concatenate(rows)
