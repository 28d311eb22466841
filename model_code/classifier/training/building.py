"""Build an artifact from published weights, a state dict or the output of train.py."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.artifact.directory import MANIFEST_FILE, read_artifact
from classifier.artifact.packing import publish
from classifier.training.dataset.labels import read_labels
from classifier.training.dataset.selection import Selection, find_images, split_folder
from classifier.training.errors import DataError
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.measuring.measuring import measure
from classifier.training.measuring.quantization import check_packages
from classifier.training.weights.network import (
    StateDict,
    build_network,
    class_count_of,
    load_weights,
    read_state_dict,
)
from classifier.training.weights.pretrained import PretrainedWeights, published_weights


@dataclass(frozen=True)
class Measurements:
    """What to measure before an artifact is published.

    Attributes:
        images: a folder of `<label>/<image>`, or of images alone; `None` measures nothing.
        int8: whether to make an int8 network, which needs images.
    """

    images: Path | None
    int8: bool


def build_from_weights(
    *,
    architecture: str,
    name: str,
    weights_file: Path | None,
    labels_file: Path | None,
    measurements: Measurements,
    output: Path,
) -> None:
    """Export weights to ONNX and publish the artifact in `output`.

    Labels and preprocessing are those that are published for the architecture, unless
    `labels_file` names others.

    Args:
        architecture: a classifier of torchvision, or `efficientnet_lite0`.
        name: of the model.
        weights_file: a state dict; `None` takes the architecture's published ones.
        labels_file: text, one label a line.
        measurements: to make first.
        output: folder.

    Raises:
        UnavailableWeightsError: the published weights cannot be had.
        NetworkError: no such architecture, or weights that do not fit it.
        DataError: labels that do not fit the weights, or images that cannot be used.
        QuantizationError: a package that quantizing needs is missing.
    """
    _check(measurements)
    published = published_weights(architecture)
    print(f"{architecture}: reading the weights", flush=True)
    source: PretrainedWeights | None
    if weights_file is None:
        source = published[0]
        weights = source.load()
    else:
        weights = read_state_dict(weights_file)
        source = next((known for known in published if known.is_file(weights_file)), None)
    preprocessing = (source or published[0]).preprocessing
    labels = _labels(weights, architecture, labels_file, published[0])
    network = build_network(architecture, len(labels), preprocessing.crop)
    load_weights(network, weights, architecture)
    description = ModelDescription(
        name=name,
        architecture=architecture,
        labels=labels,
        preprocessing=preprocessing,
        **_provenance(source),
    )
    print(f"{architecture}: exporting to ONNX (up to a minute)", flush=True)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".building-") as folder:
        write_artifact(network, description, Path(folder))
        _measure_and_publish(Path(folder), measurements, output)


def build_from_trained(trained: Path, measurements: Measurements, output: Path) -> None:
    """Measure what train.py wrote, which stays as it is, and publish the artifact in `output`.

    Raises:
        ArtifactError: `trained` holds no artifact.
        DataError: images that cannot be used.
        QuantizationError: a package that quantizing needs is missing.
    """
    _check(measurements)
    artifact = read_artifact(trained)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".building-") as folder:
        for name in (MANIFEST_FILE, *artifact.manifest.files):
            shutil.copy(artifact.directory / name, folder)
        _measure_and_publish(Path(folder), measurements, output)


def _check(measurements: Measurements) -> None:
    """Refuse at once what would fail after minutes."""
    if measurements.int8:
        check_packages()
    if measurements.images and not measurements.images.is_dir():
        raise DataError(f"{measurements.images} is no folder; --calibration names one")


def _measure_and_publish(folder: Path, measurements: Measurements, output: Path) -> None:
    if measurements.images:
        labels = read_artifact(folder).manifest.labels
        if measurements.int8:
            selection = split_folder(measurements.images, labels)
        else:
            images = find_images(measurements.images, labels)
            selection = Selection(calibration=(), held_back=tuple(images))
        measure(folder, selection, int8=measurements.int8)
    publish(read_artifact(folder), output)


def _labels(
    weights: StateDict, architecture: str, labels_file: Path | None, published: PretrainedWeights
) -> tuple[str, ...]:
    class_count = class_count_of(weights, architecture, published.preprocessing.crop)
    if labels_file is not None:
        labels, origin = read_labels(labels_file), str(labels_file)
    else:
        labels, origin = published.labels, f"ImageNet ({published.name})"
    if len(labels) != class_count:
        raise DataError(
            f"the weights have {class_count} classes, but {origin} has {len(labels)} labels; "
            "give the right ones with --labels, one a line"
        )
    return labels


def _provenance(source: PretrainedWeights | None) -> dict[str, dict[str, Any]]:
    if source is None:
        return {"training_data": {"source": "weights file"}}
    return {"metrics": source.metrics, "training_data": source.training_data}
