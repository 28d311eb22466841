"""Frozen networks whose features a head is trained on, exported once and kept."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx

from classifier.artifact.directory import (
    MANIFEST_FILE,
    ArtifactError,
    file_sha256,
    read_artifact,
)
from classifier.artifact.manifest import MODEL_FILE, Manifest
from classifier.training.errors import NetworkError
from classifier.training.features.exporting import export_network
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
        weights_file: the state dict that it was exported from; `None` for the published one.
    """

    manifest: Manifest
    model_path: Path
    features_path: Path
    width: int
    weights_file: Path | None = None


def load_backbone(architecture: str, folder: Path, weights_file: Path | None = None) -> Backbone:
    """Return a backbone, exported if it is not in `folder` yet.

    Args:
        architecture: a classifier that has published weights.
        folder: has a folder for each backbone.
        weights_file: a state dict; `None` takes the published one.

    Raises:
        NetworkError: no such architecture, none with a linear head, or weights that cannot be had
            or are of another one.
    """
    own = folder / _folder_name(architecture, weights_file)
    try:
        manifest = read_artifact(own).manifest
    except ArtifactError:
        _export(architecture, weights_file, own)
        manifest = read_artifact(own).manifest
    model = onnx.load(own / MODEL_FILE)
    features, width = cut_head(model)
    # Written anew, since it takes milliseconds: a file of another version is never read.
    features_path = own / _FEATURES_FILE
    features_path.write_bytes(features.SerializeToString(deterministic=True))
    return Backbone(manifest, own / MODEL_FILE, features_path, width, weights_file)


def backbone_files(backbone: Backbone) -> dict[str, bytes]:
    """Return the files of a backbone by name, for another host."""
    folder = backbone.model_path.parent
    return {name: (folder / name).read_bytes() for name in (MODEL_FILE, MANIFEST_FILE)}


def write_backbone(
    files: Mapping[str, bytes], architecture: str, folder: Path, weights_file: Path | None
) -> None:
    """Write the files of another host's backbone to where `load_backbone` looks for them."""
    own = folder / _folder_name(architecture, weights_file)
    own.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (own / name).write_bytes(content)


def _folder_name(architecture: str, weights_file: Path | None) -> str:
    name = architecture.replace("/", "-")
    if weights_file is None:
        return name
    try:
        return f"{name}-{file_sha256(weights_file)[:12]}"
    except ArtifactError as error:
        raise NetworkError(f"{error}; --weights-file names a state dict") from error


def _export(architecture: str, weights_file: Path | None, own: Path) -> None:
    print(f"{architecture}: exporting to ONNX, once (up to a minute)", flush=True)
    own.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=own, prefix=".building-") as temporary:
        export_network(architecture, weights_file, Path(temporary))
        # The manifest last: it says that the other file is complete.
        for name in (MODEL_FILE, MANIFEST_FILE):
            Path(temporary, name).replace(own / name)
