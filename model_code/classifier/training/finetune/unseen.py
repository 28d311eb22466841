"""What an artifact says about its test images and its data, after fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import torch

from classifier.artifact.manifest import Manifest
from classifier.artifact.provenance import Backbone
from classifier.image.preprocessing import FloatArray
from classifier.training.dataset.folders import evaluation_transform, read_image
from classifier.training.manifest_files import write_manifest
from classifier.training.measuring.baseline import measure_baseline
from classifier.training.options import TrainingOptions
from classifier.training.samples import write_samples
from classifier.training.weights.network import digest
from classifier.training.weights.pretrained import published_weights
from classifier.training.weights.provenance import backbone_of


def published_backbone(options: TrainingOptions) -> Backbone | None:
    """Return the published weights that training starts with; `None` with others."""
    if options.from_scratch or options.weights_file:
        return None
    published = published_weights(options.architecture)[0]
    return backbone_of(options.architecture, published.training_data, digest(published.load()))


def add_test_images(
    network: torch.nn.Module,
    manifest: Manifest,
    files: Sequence[tuple[str | Path, int]],
    options: TrainingOptions,
    device: torch.device,
) -> Manifest:
    """Write the baseline of the test images and the samples into the artifact; return its manifest.

    Args:
        network: that was exported.
        manifest: of the artifact in `options.model_dir`.
        files: path and class index of the test images.
        options: of the run.
        device: to compute on.
    """
    paths = [Path(path) for path, _ in files]
    logits = _logits(network.to(device).eval(), manifest, paths, options.batch_size, device)
    manifest = replace(manifest, baseline=measure_baseline(manifest, logits, paths))
    classes = numpy.array([index for _, index in files], dtype=numpy.int64)
    write_samples(logits, classes, paths, manifest.labels, options.samples, options.model_dir)
    write_manifest(manifest, options.model_dir)
    return manifest


def _logits(
    network: torch.nn.Module,
    manifest: Manifest,
    paths: Sequence[Path],
    batch_size: int,
    device: torch.device,
) -> FloatArray:
    transform = evaluation_transform(manifest.preprocessing)
    rows: list[FloatArray] = []
    with torch.inference_mode():
        for start in range(0, len(paths), batch_size):
            batch = [transform(read_image(path)) for path in paths[start : start + batch_size]]
            rows.append(network(torch.stack(batch).to(device)).float().cpu().numpy())
    return numpy.concatenate(rows)
