"""Weights of a known architecture -> a published artifact, without training."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from classifier.artifact import read_artifact
from classifier.training.errors import DataError
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.network import (
    StateDict,
    build_network,
    class_count_of,
    load_weights,
    read_state_dict,
)
from classifier.training.pretrained import PublishedWeights, published_weights
from classifier.training.publication import publish


def build_from_weights(
    *,
    architecture: str,
    name: str,
    weights_file: Path | None,
    labels_file: Path | None,
    output: Path,
) -> None:
    """Export weights to ONNX and publish the artifact in `output`.

    Labels and preprocessing are those that torchvision publishes for the architecture, unless
    `labels_file` names others.

    Args:
        architecture: a classifier of torchvision.
        name: of the model.
        weights_file: a state dict; `None` downloads torchvision's default weights.
        labels_file: text, one label a line.
        output: folder.

    Raises:
        DownloadError: torchvision's server cannot be reached.
        NetworkError: no such architecture, or weights that do not fit it.
        DataError: labels that do not fit the weights.
    """
    published = published_weights(architecture)
    print(f"{architecture}: reading the weights", flush=True)
    source: PublishedWeights | None
    if weights_file is None:
        source = published[0]
        weights = source.download()
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
    print(f"{architecture}: exporting to ONNX", flush=True)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".building-") as folder:
        write_artifact(network, description, Path(folder))
        publish(read_artifact(Path(folder)), output)


def _labels(
    weights: StateDict, architecture: str, labels_file: Path | None, published: PublishedWeights
) -> tuple[str, ...]:
    class_count = class_count_of(weights, architecture, published.preprocessing.crop)
    if labels_file is not None:
        try:
            labels = tuple(labels_file.read_text(encoding="utf-8").splitlines())
        except UnicodeDecodeError as error:
            raise DataError(f"{labels_file} is not UTF-8 text") from error
        origin = str(labels_file)
    else:
        labels, origin = published.labels, f"ImageNet ({published.name})"
    if len(labels) != class_count:
        raise DataError(
            f"the weights have {class_count} classes, but {origin} has {len(labels)} labels; "
            "give the right ones with --labels, one a line"
        )
    return labels


def _provenance(source: PublishedWeights | None) -> dict[str, dict[str, Any]]:
    if source is None:
        return {"training_data": {"source": "weights file"}}
    return {
        "metrics": source.metrics,
        "training_data": {"source": "torchvision", "name": "ImageNet-1K", "weights": source.name},
    }
