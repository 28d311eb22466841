"""Train a head on a folder of labelled images: from the files to an artifact."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy
import onnx

from classifier.artifact.directory import MANIFEST_FILE, file_sha256
from classifier.artifact.manifest import INT8_MODEL_FILE, MODEL_FILE, Manifest
from classifier.image.preprocessing import FloatArray
from classifier.training.dataset.archives import unpack_zip
from classifier.training.dataset.demo_data import is_demo
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
from classifier.training.dataset.splitting import Dataset, split_images
from classifier.training.errors import DataError
from classifier.training.features.backbone import Backbone, load_backbone
from classifier.training.features.cache import FeatureCache
from classifier.training.features.dataset_features import compute_features, open_cache
from classifier.training.features.extraction import Output
from classifier.training.features.runtime import (
    ImageNetwork,
    has_openvino,
    open_classifier,
    runtime,
)
from classifier.training.head.fitting import (
    FittedHead,
    IntArray,
    LabelledFeatures,
    fit_head,
    scores,
)
from classifier.training.head.graft import LinearHead, replace_head
from classifier.training.head.judging import Judgement
from classifier.training.head.label_errors import by_suspicion, out_of_fold_probabilities
from classifier.training.measuring.quantization import check_packages
from classifier.training.onnx_files import write_onnx
from classifier.training.options import TrainingOptions
from classifier.training.progress import Progress
from classifier.training.report.report import Report, write_report
from classifier.training.report.summary import (
    print_accuracy,
    print_counts,
    print_left_out,
    print_suspicious,
)

_LIBRARIES: Final = ("numpy", "onnx", "openvino", "pillow", "scipy")
_MODULE_BY_LIBRARY: Final = {"pillow": "PIL"}
REPORT_FILE: Final = "report.html"
# Of the own label, by a head that was fitted without the image.
SUSPICIOUS_PROBABILITY: Final = 0.02


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
        _check_classes(dataset, folder)
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
    manifest = _write_network(options, folder, backbone, dataset, fitted)
    model_path = options.model_dir / MODEL_FILE
    with closing(open_classifier(model_path, backbone, fitted.head)) as network:
        judgements = _judge(network, folder, dataset)
    manifest = _with_metrics(manifest, judgements)
    _write_manifest(manifest, options.model_dir)
    unseen_split = TEST if TEST in judgements else VALID
    report = Report(
        name=manifest.name,
        folder=folder,
        labels=dataset.labels,
        unseen=judgements.get(unseen_split),
        unseen_images=dataset.of(unseen_split),
        train_accuracy=_accuracy(fitted.head, features[TRAIN]),
        suspicious=_suspicious(dataset, features[TRAIN], fitted.penalty),
        left_out=left_out,
        judged_by=None if has_openvino() else runtime(),
    )
    write_report(report, options.output_dir / REPORT_FILE)
    if options.quantize:
        manifest = _quantize(options.model_dir, folder, dataset)
    print_accuracy(report.unseen, dataset.labels)
    print_suspicious(report)
    print(f"Report: {options.output_dir / REPORT_FILE}")
    return manifest


def _scan(options: TrainingOptions) -> Scan:
    data = options.data
    if data is None:
        return scan_splits({split: path for split, path in options.folders.items() if path})
    return scan_folder(data if data.is_dir() else unpack_zip(data, options.cache_dir / "datasets"))


def _check_classes(dataset: Dataset, folder: Path) -> None:
    trained = {image.label for image in dataset.of(TRAIN)}
    if missing := [label for label in dataset.labels if label not in trained]:
        raise DataError(
            f"{folder} has no image of {missing[0]!r} to train on that can be read and is of no "
            "other class; add images, or remove the class"
        )


def _labelled(dataset: Dataset, split: str, cache: FeatureCache) -> LabelledFeatures:
    images = dataset.of(split)
    return LabelledFeatures(
        cache.read([image.sha256 for image in images]), _classes(images, dataset.labels)
    )


def _classes(images: Sequence[ImageFile], labels: Sequence[str]) -> IntArray:
    index_by_label = {label: index for index, label in enumerate(labels)}
    return numpy.array([index_by_label[image.label] for image in images], dtype=numpy.int64)


def _write_network(
    options: TrainingOptions,
    folder: Path,
    backbone: Backbone,
    dataset: Dataset,
    fitted: FittedHead,
) -> Manifest:
    """Write the network and its manifest, without metrics: complete, should judging be stopped."""
    options.model_dir.mkdir(parents=True, exist_ok=True)
    model_path = options.model_dir / MODEL_FILE
    # Those of an earlier network. The manifest first: without it there is no artifact.
    for name in (MANIFEST_FILE, INT8_MODEL_FILE):
        (options.model_dir / name).unlink(missing_ok=True)
    write_onnx(replace_head(onnx.load(backbone.model_path), fitted.head), model_path)
    counts = {f"{split}_images": len(dataset.of(split)) for split in SPLITS}
    demo = {"demo": True} if _is_demo(folder) else {}
    manifest = replace(
        backbone.manifest,
        name=options.name or options.architecture,
        labels=dataset.labels,
        weights_sha256=_digest(backbone.manifest.weights_sha256, fitted.head),
        files={MODEL_FILE: file_sha256(model_path)},
        metrics={},
        training_data={
            "classes": len(dataset.labels),
            **counts,
            "dataset_sha256": _dataset_digest(dataset),
            "backbone": dict(backbone.manifest.training_data),
            "penalty": fitted.penalty,
            "judged_by": runtime(),
            **demo,
        },
        libraries=dict(backbone.manifest.libraries) | _library_versions(),
    )
    _write_manifest(manifest, options.model_dir)
    return manifest


def _write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write it at once: a process that is stopped leaves the one before."""
    temporary = directory / f".{MANIFEST_FILE}"
    temporary.write_text(manifest.to_json(), encoding="utf-8")
    temporary.replace(directory / MANIFEST_FILE)


def _library_versions() -> dict[str, str]:
    """Return those that are installed: OpenVINO and SciPy need not be."""
    return {
        name: importlib.metadata.version(name)
        for name in _LIBRARIES
        if importlib.util.find_spec(_MODULE_BY_LIBRARY.get(name, name))
    }


def _is_demo(folder: Path) -> bool:
    return is_demo(folder) or is_demo(folder / "train")


def _digest(backbone_sha256: str, head: LinearHead) -> str:
    total = hashlib.sha256(backbone_sha256.encode())
    for tensor in (head.weights, head.bias):
        total.update(f"{tensor.shape}\n".encode())
        total.update(numpy.ascontiguousarray(tensor, dtype="<f4").tobytes())
    return total.hexdigest()


def _dataset_digest(dataset: Dataset) -> str:
    """Return a digest of which bytes are in which class and split; names of files do not count."""
    lines = sorted(f"{image.sha256} {image.split} {image.label}\n" for image in dataset.images)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _judge(network: ImageNetwork, folder: Path, dataset: Dataset) -> dict[str, Judgement]:
    """Run the network with the new head over the held-back images."""
    if not has_openvino():
        print(f"OpenVINO, which serves the network, is not installed: judged by {runtime()}")
    judgements: dict[str, Judgement] = {}
    for split in (VALID, TEST):
        if images := dataset.of(split):
            logits = _logits(network, folder, images)
            judgements[split] = Judgement(logits, _classes(images, dataset.labels))
    return judgements


def _with_metrics(manifest: Manifest, judgements: dict[str, Judgement]) -> Manifest:
    metrics: dict[str, float] = {}
    for split, judgement in judgements.items():
        metrics |= judgement.metrics(split)
    return replace(manifest, metrics=metrics)


def _accuracy(head: LinearHead, images: LabelledFeatures) -> float:
    return Judgement(scores(head, images.features), images.classes).accuracy


def _suspicious(
    dataset: Dataset, images: LabelledFeatures, penalty: float
) -> list[tuple[ImageFile, float, str]]:
    labels, files = dataset.labels, dataset.of(TRAIN)
    probabilities = out_of_fold_probabilities(images, class_count=len(labels), penalty=penalty)
    found = []
    for place in by_suspicion(probabilities, images.classes):
        own = float(probabilities[place, images.classes[place]])
        if own >= SUSPICIOUS_PROBABILITY:
            break
        found.append((files[place], own, labels[int(probabilities[place].argmax())]))
    return found


def _logits(network: ImageNetwork, folder: Path, images: Sequence[ImageFile]) -> FloatArray:
    rows: list[FloatArray] = []
    progress = Progress("images judged", len(images))

    def receive(place: int, output: Output) -> None:
        progress.update(place)
        if output.values is None:
            path = images[place].path
            raise DataError(f"{path} was changed while it was read: {output.problem}")
        rows.append(output.values)

    try:
        network.run([folder / image.path for image in images], receive)
    finally:
        progress.end()
    return numpy.stack(rows)


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
