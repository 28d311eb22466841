"""Build an artifact from published weights, a state dict or the output of train.py."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from classifier.artifact.directory import MANIFEST_FILE, read_artifact
from classifier.artifact.manifest import Preprocessing
from classifier.artifact.samples import SAMPLE_FOLDER, find_samples
from classifier.training.dataset.labels import read_labels
from classifier.training.errors import DataError
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.preprocessing_flags import PreprocessingFlags
from classifier.training.publishing import Measurements, measure_and_publish
from classifier.training.weights.fitting import fit_network
from classifier.training.weights.heads import Head, check_layers
from classifier.training.weights.network import check_architecture, read_state_dict
from classifier.training.weights.pretrained import (
    PretrainedWeights,
    published_in,
    published_weights,
)
from classifier.training.weights.timm_import import TIMM_PREFIX


def build_from_weights(
    *,
    architecture: str,
    name: str | None,
    weights_file: Path | None,
    preprocessing_flags: PreprocessingFlags,
    head_layers: Sequence[str],
    labels_file: Path | None,
    measurements: Measurements,
    output: Path,
) -> None:
    """Export weights to ONNX and publish the artifact in `output`.

    Published weights have their own labels and preprocessing. A state dict in a file has those
    that are given, and else what the architecture's published weights agree on.

    Args:
        architecture: a classifier of torchvision, `efficientnet_lite0`, or timm's `timm/<name>`.
        name: of the model; `None` takes the architecture's.
        weights_file: a state dict; `None` takes the architecture's published ones.
        preprocessing_flags: of the weights file.
        head_layers: of the weights file, where it has another head than the architecture.
        labels_file: text, one label a line.
        measurements: to make first.
        output: folder.

    Raises:
        OptionError: a preprocessing that is missing, or is given for published weights.
        UnavailableWeightsError: the published weights cannot be had.
        NetworkError: no such architecture, or weights that do not fit it.
        DataError: labels that do not fit the weights, or images that cannot be used.
        QuantizationError: a package that quantizing needs is missing.
    """
    measurements.check()
    head_layers = check_layers(head_layers)
    architecture = check_architecture(architecture)
    published = published_weights(architecture)
    source = published_in(weights_file, published) if weights_file else published[0]
    preprocessing = _preprocessing(preprocessing_flags, published, source, weights_file)
    print(f"{architecture}: reading the weights", flush=True)
    weights = read_state_dict(weights_file) if weights_file else published[0].load()
    fitted = fit_network(weights, architecture, preprocessing.crop, head_layers)
    labels = _labels(fitted.class_count, labels_file, published[0])
    description = ModelDescription(
        name=name or architecture.removeprefix(TIMM_PREFIX),
        architecture=architecture,
        labels=labels,
        preprocessing=preprocessing,
        metrics=source.metrics if source else {},
        training_data=source.training_data if source else _of_file(fitted.head),
    )
    print(f"{architecture}: exporting to ONNX (up to a minute)", flush=True)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".building-") as folder:
        write_artifact(fitted.network, description, Path(folder))
        measure_and_publish(Path(folder), measurements, output)


def build_from_trained(trained: Path, measurements: Measurements, output: Path) -> None:
    """Measure what train.py wrote, which stays as it is, and publish the artifact in `output`.

    Raises:
        ArtifactError: `trained` holds no artifact.
        DataError: images that cannot be used.
        QuantizationError: a package that quantizing needs is missing.
    """
    measurements.check()
    artifact = read_artifact(trained)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".building-") as folder:
        Path(folder, SAMPLE_FOLDER).mkdir()
        samples = find_samples(artifact.directory)
        for name in (MANIFEST_FILE, *artifact.manifest.files, *samples):
            shutil.copy(artifact.directory / name, Path(folder, name))
        measure_and_publish(Path(folder), measurements, output)


def _preprocessing(
    flags: PreprocessingFlags,
    published: Sequence[PretrainedWeights],
    source: PretrainedWeights | None,
    weights_file: Path | None,
) -> Preprocessing:
    if source is not None:
        flags.refuse(f"the published weights {source.name} have their own preprocessing")
        return source.preprocessing
    names = [known.name for known in published]
    origin = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    return flags.complete([known.preprocessing for known in published], str(weights_file), origin)


def _labels(
    class_count: int, labels_file: Path | None, published: PretrainedWeights
) -> tuple[str, ...]:
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


def _of_file(head: Head | None) -> dict[str, str]:
    """Return the manifest's words on a weights file that is no published one."""
    own_head = {"head": ", ".join(head.layers)} if head else {}
    return {"source": "weights file", **own_head}
