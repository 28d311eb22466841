"""The files of a run that has ended: the weights, the artifact with its figures, the report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing

import torch

from classifier.artifact.manifest import Manifest, Preprocessing
from classifier.training.completion import (
    add_int8_network,
    complete_artifact,
    describe_run,
    judge_training_images,
)
from classifier.training.dataset.dataset_manifest import (
    DATASET_MANIFEST_FILE,
    write_dataset_manifest,
)
from classifier.training.dataset.scanning import TEST, VALID
from classifier.training.dataset.source import describe_data
from classifier.training.dataset.splitting import Dataset
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.features.runtime import open_classifier
from classifier.training.features.torch_network import TorchNetwork
from classifier.training.finetune.run import metric_line
from classifier.training.finetune.saving import save
from classifier.training.job.environment import report_place
from classifier.training.job.metrics import report_metrics
from classifier.training.options import TrainingOptions
from classifier.training.report.report import REPORT_FILE, write_report
from classifier.training.report.summary import print_accuracy
from classifier.training.weights.initial import InitialWeights
from classifier.training.weights.timm_import import TIMM_PREFIX

WEIGHTS_FILE = "weights.pt"


def write_files(
    network: torch.nn.Module,
    metrics: Mapping[str, float],
    dataset: Dataset,
    initial: InitialWeights | None,
    preprocessing: Preprocessing,
    options: TrainingOptions,
) -> Manifest:
    """Write everything that a run results in; return the artifact's manifest.

    Args:
        network: with its trained weights, on the device that computes.
        metrics: of the epoch that they are of.
        dataset: of the run.
        initial: what the run began with; `None` for random weights.
        preprocessing: of the images.
        options: of the run.

    Raises:
        TrainingError: a file cannot be written, or an image can no longer be read.
    """
    device = next(network.parameters()).device
    save(network.state_dict(), options.output_dir / WEIGHTS_FILE)
    version = write_dataset_manifest(dataset.images, options.output_dir / DATASET_MANIFEST_FILE)
    description = ModelDescription(
        name=options.name or options.architecture.removeprefix(TIMM_PREFIX),
        architecture=options.architecture,
        labels=dataset.labels,
        preprocessing=preprocessing,
        metrics=metrics,
        training_data=describe_data(options, dataset, version),
        backbone=initial.backbone if initial else None,
    )
    print("exporting to ONNX (up to a minute)", flush=True)
    options.model_dir.mkdir(parents=True, exist_ok=True)
    manifest = write_artifact(network, description, options.model_dir)
    return judge_and_report(network.to(device), manifest, dataset, version, options)


def judge_and_report(
    network: torch.nn.Module,
    manifest: Manifest,
    dataset: Dataset,
    version: str,
    options: TrainingOptions,
) -> Manifest:
    """Quantize the exported network if wanted, judge what is served, and write the report.

    Args:
        network: that was exported; torch computes it where OpenVINO is not installed.
        manifest: of the artifact in `options.model_dir`.
        dataset: of the run.
        version: of the dataset.
        options: of the run.

    Returns:
        The artifact's manifest, which is written.

    Raises:
        DataError: an image can no longer be read.
        NetworkError: an output is not finite.
    """
    if options.quantize:
        manifest = add_int8_network(options.model_dir, dataset)
    unseen_split = TEST if dataset.of(TEST) else VALID
    served = open_classifier(
        options.model_dir, manifest, lambda: TorchNetwork(network, manifest.preprocessing)
    )
    with closing(served) as opened:
        completed = complete_artifact(manifest, opened, dataset, (unseen_split,), options)
        trained = judge_training_images(opened, dataset) if options.report else None
    if completed.unseen:
        figures = completed.unseen.metrics(unseen_split)
        del figures[f"{unseen_split}_images"]
        print(metric_line(figures), flush=True)
    print_accuracy(completed.unseen, dataset.labels)
    if trained:
        path = options.output_dir / REPORT_FILE
        write_report(describe_run(completed, trained, dataset, version), path)
        print(f"Report: {report_place(path, os.environ)}")
    report_metrics(completed.manifest, dataset, options)
    return completed.manifest
