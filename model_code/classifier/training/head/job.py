"""Train a head on a folder of labelled images: from the files to an artifact."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy

from classifier.artifact.manifest import MODEL_FILE, Manifest
from classifier.training.dataset.archives import unpack_zip
from classifier.training.dataset.dataset_manifest import (
    DATASET_MANIFEST_FILE,
    write_dataset_manifest,
)
from classifier.training.dataset.scanning import (
    SPLITS,
    TEST,
    TRAIN,
    VALID,
    ImageFile,
    Scan,
    scan_folder,
    scan_splits,
)
from classifier.training.dataset.selection import (
    MAX_CALIBRATION_IMAGES,
    LabelledImage,
    Selection,
)
from classifier.training.dataset.splitting import Dataset, check_classes, split_images
from classifier.training.features.backbone import load_backbone
from classifier.training.features.cache import FeatureCache
from classifier.training.features.dataset_features import compute_features, open_cache
from classifier.training.features.runtime import (
    ImageNetwork,
    compute_images,
    has_openvino,
    open_classifier,
    runtime,
    tell_other_runtime,
)
from classifier.training.head.artifact_files import write_network
from classifier.training.head.fitting import (
    IntArray,
    LabelledFeatures,
    fit_head,
    scores,
)
from classifier.training.head.graft import LinearHead
from classifier.training.head.judging import Judgement
from classifier.training.manifest_files import write_manifest
from classifier.training.measuring.quantization import check_packages
from classifier.training.options import TrainingOptions
from classifier.training.report.contents import Report
from classifier.training.report.findings import (
    MAX_PROBABILITY,
    SUSPICION_FILE,
    rank_labels,
    similar_images,
    write_ranking,
)
from classifier.training.report.report import write_report
from classifier.training.report.summary import (
    print_accuracy,
    print_counts,
    print_left_out,
    print_suspicious,
)
from classifier.training.test_images import add_test_images

REPORT_FILE: Final = "report.html"


def train_head(options: TrainingOptions) -> Manifest:
    """Train and write the artifact; print what was found and how good the result is.

    Raises:
        TrainingError: a folder or backbone that cannot be used; see its subclasses.
    """
    if options.quantize:
        check_packages()
    scan = _scan(options)
    folder = scan.folder
    print_counts(scan)
    backbone = load_backbone(
        options.architecture, options.cache_dir / "backbones", options.weights_file
    )
    with closing(open_cache(backbone, options.cache_dir, options.precision)) as cache:
        unreadable = compute_features(scan, backbone, cache, options.precision)
        broken = {file.path for file in unreadable}
        readable = [image for image in scan.images if image.path not in broken]
        dataset = split_images(scan.labels, readable, options.seed)
        check_classes(dataset, folder)
        features = {split: _labelled(dataset, split, cache) for split in SPLITS}
    left_out = [*scan.left_out, *unreadable, *dataset.left_out]
    print_left_out(left_out)
    began = time.monotonic()
    fitted = fit_head(
        features[TRAIN],
        features[VALID],
        class_count=len(dataset.labels),
        balanced=options.balanced,
    )
    seconds = time.monotonic() - began
    print(f"Head fitted in {seconds:.1f} s, penalty {fitted.penalty:g}", flush=True)
    version = write_dataset_manifest(dataset.images, options.output_dir / DATASET_MANIFEST_FILE)
    manifest = write_network(options, folder, backbone, dataset, fitted, version)
    model_path = options.model_dir / MODEL_FILE
    with closing(open_classifier(model_path, backbone, fitted.head)) as network:
        judgements = _judge(network, folder, dataset)
    manifest = _with_metrics(manifest, judgements)
    if TEST in judgements:
        tested = [folder / image.path for image in dataset.of(TEST)]
        manifest = add_test_images(manifest, judgements[TEST], tested, options)
    write_manifest(manifest, options.model_dir)
    unseen_split = TEST if TEST in judgements else VALID
    unseen = judgements.get(unseen_split)
    print_accuracy(unseen, dataset.labels)
    if options.quantize:
        manifest = _quantize(options.model_dir, folder, dataset)
    if not options.report:
        return manifest
    ranking = rank_labels(dataset, features[TRAIN], fitted.penalty)
    write_ranking(ranking, options.output_dir / SUSPICION_FILE)
    report = Report(
        name=manifest.name,
        folder=folder,
        labels=dataset.labels,
        images=dataset.images,
        dataset_version=version,
        unseen=unseen,
        unseen_images=dataset.of(unseen_split),
        train_accuracy=_accuracy(fitted.head, features[TRAIN]),
        suspicious=[one for one in ranking if one.probability < MAX_PROBABILITY],
        similar=similar_images(dataset, features),
        left_out=left_out,
        judged_by=None if has_openvino() else runtime(),
    )
    write_report(report, options.output_dir / REPORT_FILE)
    print_suspicious(report)
    print(f"Report: {options.output_dir / REPORT_FILE}")
    return manifest


def _scan(options: TrainingOptions) -> Scan:
    data = options.data
    if data is None:
        return scan_splits({split: path for split, path in options.folders.items() if path})
    return scan_folder(data if data.is_dir() else unpack_zip(data, options.cache_dir / "datasets"))


def _labelled(dataset: Dataset, split: str, cache: FeatureCache) -> LabelledFeatures:
    images = dataset.of(split)
    return LabelledFeatures(
        cache.read([image.sha256 for image in images]), _classes(images, dataset.labels)
    )


def _classes(images: Sequence[ImageFile], labels: Sequence[str]) -> IntArray:
    index_by_label = {label: index for index, label in enumerate(labels)}
    return numpy.array([index_by_label[image.label] for image in images], dtype=numpy.int64)


def _judge(network: ImageNetwork, folder: Path, dataset: Dataset) -> dict[str, Judgement]:
    """Run the network with the new head over the held-back images."""
    tell_other_runtime()
    judgements: dict[str, Judgement] = {}
    for split in (VALID, TEST):
        if images := dataset.of(split):
            logits = compute_images(network, [folder / image.path for image in images])
            judgements[split] = Judgement(logits, _classes(images, dataset.labels))
    return judgements


def _with_metrics(manifest: Manifest, judgements: dict[str, Judgement]) -> Manifest:
    metrics: dict[str, float] = {}
    for split, judgement in judgements.items():
        metrics |= judgement.metrics(split)
    return replace(manifest, metrics=metrics)


def _accuracy(head: LinearHead, images: LabelledFeatures) -> float:
    return Judgement(scores(head, images.features), images.classes).accuracy


def _quantize(directory: Path, folder: Path, dataset: Dataset) -> Manifest:
    """Add an int8 network, if the test images show that it is good enough."""
    # Only now: it imports torch and NNCF, which take seconds.
    from classifier.training.measuring.measuring import measure

    valid, test = (
        sorted(
            (
                LabelledImage(folder / image.path, image.label, image.sha256)
                for image in dataset.of(split)
            ),
            key=lambda image: image.sha256,
        )
        for split in (VALID, TEST)
    )
    selection = Selection(tuple(valid[:MAX_CALIBRATION_IMAGES]), tuple(test))
    return measure(directory, selection, int8=True)
