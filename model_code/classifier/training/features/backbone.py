"""Frozen networks whose features a head is trained on, exported once and kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx

from classifier.artifact.directory import MANIFEST_FILE, ArtifactError, read_artifact
from classifier.artifact.manifest import MODEL_FILE, Manifest
from classifier.training.head.graft import cut_head

_FEATURES_FILE: Final = "features.onnx"


@dataclass(frozen=True)
class Backbone:
    """A published network as ONNX, with what its manifest says.

    Attributes:
        manifest: of the network with its own head: architecture, preprocessing, source, licence.
        model_path: the network with its own head.
        features_path: the network without it; its output is the features.
        width: number of the features.
    """

    manifest: Manifest
    model_path: Path
    features_path: Path
    width: int


def load_backbone(architecture: str, folder: Path) -> Backbone:
    """Return a backbone, exported if it is not in `folder` yet.

    Args:
        architecture: one of `weights.network.architectures()` with published weights.
        folder: has a folder for each backbone.

    Raises:
        NetworkError: no such architecture, or none with a linear head.
        UnavailableWeightsError: its weights cannot be had.
    """
    own = folder / architecture
    try:
        manifest = read_artifact(own).manifest
    except ArtifactError:
        _export(architecture, own)
        manifest = read_artifact(own).manifest
    model = onnx.load(own / MODEL_FILE)
    features, width = cut_head(model)
    # Written anew, since it takes milliseconds: a file of another version is never read.
    features_path = own / _FEATURES_FILE
    features_path.write_bytes(features.SerializeToString(deterministic=True))
    return Backbone(manifest, own / MODEL_FILE, features_path, width)


def _export(architecture: str, own: Path) -> None:
    print(f"{architecture}: exporting to ONNX, once (up to a minute)", flush=True)
    # Imported here: torch takes seconds to import, and the next run does without.
    from classifier.training.export import ModelDescription, write_artifact
    from classifier.training.weights.network import build_network, load_weights
    from classifier.training.weights.pretrained import published_weights

    published = published_weights(architecture)[0]
    preprocessing = published.preprocessing
    network = build_network(architecture, len(published.labels), preprocessing.crop)
    load_weights(network, published.load(), architecture)
    description = ModelDescription(
        name=architecture,
        architecture=architecture,
        labels=published.labels,
        preprocessing=preprocessing,
        metrics=published.metrics,
        training_data=published.training_data,
    )
    own.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=own, prefix=".building-") as temporary:
        write_artifact(network, description, Path(temporary))
        # The manifest last: it says that the other file is complete.
        for name in (MODEL_FILE, MANIFEST_FILE):
            Path(temporary, name).replace(own / name)
