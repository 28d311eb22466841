"""Train a head on a folder of labelled images: from the files to an artifact."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace

from classifier.artifact.manifest import Manifest
from classifier.training.completion import (
    Completed,
    add_int8_network,
    complete_artifact,
    describe_run,
    judge_training_images,
)
from classifier.training.dataset.dataset_manifest import (
    DATASET_MANIFEST_FILE,
    write_dataset_manifest,
)
from classifier.training.dataset.scanning import SPLITS, TEST, TRAIN, VALID
from classifier.training.dataset.source import scan_images
from classifier.training.dataset.splitting import Dataset, split_scan
from classifier.training.distributed.same_images import check_same_images
from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.features.backbone import backbone_files, load_backbone, write_backbone
from classifier.training.features.dataset_features import (
    compute_features,
    help_with_features,
    open_cache,
)
from classifier.training.features.runtime import (
    open_classifier,
    torch_classifier,
    usable_precision,
)
from classifier.training.head.artifact_files import write_network
from classifier.training.head.fitting import FittedHead, LabelledFeatures, fit_head, scores
from classifier.training.head.judging import Judgement
from classifier.training.job.environment import report_place
from classifier.training.job.metrics import report_metrics
from classifier.training.measuring.quantization import check_packages
from classifier.training.options import TrainingOptions
from classifier.training.report.findings import (
    MAX_PROBABILITY,
    SUSPICION_FILE,
    rank_labels,
    similar_images,
    write_ranking,
)
from classifier.training.report.report import REPORT_FILE, write_report
from classifier.training.report.summary import (
    print_accuracy,
    print_counts,
    print_left_out,
    print_suspicious,
)


def train_head(options: TrainingOptions, workers: Workers = ALONE) -> Manifest:
    """Train and write the artifact; print what was found and how good the result is.

    Args:
        options: of the run.
        workers: this one, the first, does everything but its share of the features alone; the
            others call `help_train_head`.

    Raises:
        TrainingError: a folder or backbone that cannot be used; see its subclasses.
    """
    if options.quantize:
        check_packages()
    scan = scan_images(options)
    print_counts(scan)
    check_same_images(scan, workers)
    backbone = load_backbone(
        options.architecture, options.cache_dir / "backbones", options.weights_file
    )
    if workers.count > 1:
        workers.broadcast(backbone_files(backbone))
    precision = usable_precision(options.precision)
    with closing(open_cache(backbone, options.cache_dir, precision)) as cache:
        unreadable = compute_features(scan, backbone, cache, precision, workers)
        dataset = split_scan(scan, unreadable, options.seed)
        features = {
            split: LabelledFeatures(
                cache.read([image.sha256 for image in dataset.of(split)]), dataset.classes(split)
            )
            for split in SPLITS
        }
    print_left_out(dataset.left_out)
    fitted = _fit(features, dataset, options)
    version = write_dataset_manifest(dataset.images, options.output_dir / DATASET_MANIFEST_FILE)
    manifest = write_network(options, backbone, dataset, fitted, version)
    if options.quantize:
        manifest = add_int8_network(options.model_dir, dataset)
    served = open_classifier(
        options.model_dir, manifest, lambda: torch_classifier(backbone, fitted.head)
    )
    with closing(served) as network:
        completed = complete_artifact(manifest, network, dataset, (VALID, TEST), options)
        if manifest.precisions[-1] == "fp32":
            known = features[TRAIN]
            trained = Judgement(scores(fitted.head, known.features), known.classes)
        else:
            trained = judge_training_images(network, dataset)
    print_accuracy(completed.unseen, dataset.labels)
    report_metrics(completed.manifest, dataset, options)
    if options.report:
        _write_report(completed, trained, dataset, features, fitted.penalty, version, options)
    return completed.manifest


def help_train_head(options: TrainingOptions, workers: Workers) -> None:
    """Compute this worker's share of the features that the first one trains the head on.

    Args:
        options: of the run; nothing is kept in its `cache_dir`, which is this worker's own.
        workers: the first one calls `train_head`.

    Raises:
        TrainingError: as `train_head`.
    """
    scan = scan_images(options)
    check_same_images(scan, workers)
    files = workers.broadcast(dict[str, bytes]())
    place = (options.architecture, options.cache_dir / "backbones")
    write_backbone(files, *place, options.weights_file)
    backbone = load_backbone(*place, options.weights_file)
    help_with_features(scan, backbone, usable_precision(options.precision), workers)


def _fit(
    features: Mapping[str, LabelledFeatures], dataset: Dataset, options: TrainingOptions
) -> FittedHead:
    began = time.monotonic()
    fitted = fit_head(
        features[TRAIN],
        features[VALID],
        class_count=len(dataset.labels),
        balanced=options.balanced,
    )
    seconds = time.monotonic() - began
    print(f"Head fitted in {seconds:.1f} s, penalty {fitted.penalty:g}", flush=True)
    return fitted


def _write_report(
    completed: Completed,
    trained: Judgement,
    dataset: Dataset,
    features: Mapping[str, LabelledFeatures],
    penalty: float,
    version: str,
    options: TrainingOptions,
) -> None:
    ranking = rank_labels(dataset, features[TRAIN], penalty)
    write_ranking(ranking, options.output_dir / SUSPICION_FILE)
    report = replace(
        describe_run(completed, trained, dataset, version),
        has_features=True,
        suspicious=[one for one in ranking if one.probability < MAX_PROBABILITY],
        similar=similar_images(dataset, features),
    )
    write_report(report, options.output_dir / REPORT_FILE)
    print_suspicious(report)
    print(f"Report: {report_place(options.output_dir / REPORT_FILE, os.environ)}")
