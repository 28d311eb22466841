"""Turn an ONNX file into the files of an artifact."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx

from classifier.artifact.directory import file_sha256
from classifier.artifact.manifest import MODEL_FILE, Manifest, Preprocessing
from classifier.training.errors import DataError, NetworkError, OptionError
from classifier.training.manifest_files import library_versions, write_manifest
from classifier.training.onnx_files import write_onnx
from classifier.training.onnx_import.checking import (
    check_repeatable,
    compare,
    make_crops,
    output_kind,
)
from classifier.training.onnx_import.ports import Ports, find_ports
from classifier.training.onnx_import.reading import read_network
from classifier.training.onnx_import.source import Source
from classifier.training.onnx_import.surgery import to_contract
from classifier.training.preprocessing_flags import PreprocessingFlags

ARCHITECTURE: Final = "onnx"
# Raise it when the rewriting changes what a network computes: it is part of a model's identity.
IMPORTER_VERSION: Final = 1
_LIBRARIES: Final = ("onnx", "onnxruntime", "openvino")


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """A network that is brought as ONNX, with what it does not say about itself."""

    path: Path
    name: str
    labels: tuple[str, ...]
    preprocessing_flags: PreprocessingFlags


def import_network(given: OnnxFile, directory: Path) -> Manifest:
    """Write `model.onnx` and `manifest.json` into `directory`, which must exist.

    Prints what the network takes and returns, and how exactly it is served.

    Raises:
        OptionError: a preprocessing that is missing or does not fit the network.
        DataError: another number of labels than of scores.
        NetworkError: a file or network that cannot be used.
    """
    model = read_network(given.path)
    ports = find_ports(model, str(given.path))
    preprocessing = _preprocessing(given, ports)
    crops = make_crops(preprocessing.crop)
    layout, source = _load(model, ports, preprocessing)
    expected = source.run(crops)
    check_repeatable(source, crops, expected)
    class_count = expected.shape[1]
    _check_class_count(class_count, given)
    output = output_kind(expected)
    print(f"{given.path}: {_described(ports, layout, preprocessing.crop)}; {class_count} {output}")
    model_path = directory / MODEL_FILE
    rewritten = to_contract(model, ports, layout, crop=preprocessing.crop, class_count=class_count)
    write_onnx(rewritten, model_path)
    difference = compare(model_path, preprocessing, crops, expected)
    print(f"  The serving engine returns the same scores, within {difference:.0e}", flush=True)
    manifest = Manifest(
        name=given.name,
        architecture=ARCHITECTURE,
        labels=given.labels,
        preprocessing=preprocessing,
        output=output,
        training_data={"source": "ONNX file"},
        weights_sha256=_digest(model),
        exporter_version=IMPORTER_VERSION,
        files={MODEL_FILE: file_sha256(model_path)},
        libraries=library_versions(_LIBRARIES),
    )
    write_manifest(manifest, directory)
    return manifest


def _preprocessing(given: OnnxFile, ports: Ports) -> Preprocessing:
    flags = given.preprocessing_flags
    if ports.side is not None:
        if flags.crop not in (None, ports.side):
            raise OptionError(
                f"--crop is {flags.crop}, but {given.path} takes images of {ports.side} x "
                f"{ports.side} pixels; leave --crop out"
            )
        flags = dataclasses.replace(flags, crop=ports.side)
    if ports.is_bytes:
        if flags.mean or flags.std:
            raise OptionError(
                f"{given.path} takes bytes, so it normalises images itself; leave out --mean and "
                "--std"
            )
        flags = dataclasses.replace(flags, mean=(0.0,) * 3, std=(1.0,) * 3)
    return flags.complete([], str(given.path), "")


def _load(model: onnx.ModelProto, ports: Ports, preprocessing: Preprocessing) -> tuple[str, Source]:
    """Return the network in the layout in which it can be computed."""
    found: dict[str, Source] = {}
    problems: list[NetworkError] = []
    for layout in ports.layouts:
        try:
            source = Source(model, ports, layout, preprocessing)
            source.run(make_crops(preprocessing.crop)[:1])
        except NetworkError as error:
            problems.append(error)
        else:
            found[layout] = source
    if not found:
        raise problems[0]
    if len(found) > 1:
        raise NetworkError(
            "the network computes images of both layouts, N x 3 x H x W and N x H x W x 3; export "
            "it with the sizes of its input fixed except for the number of images"
        )
    return found.popitem()


def _check_class_count(class_count: int, given: OnnxFile) -> None:
    if class_count < 2:
        raise NetworkError(
            f"{given.path} returns one score for an image; expected one for each of two or more "
            "classes"
        )
    if class_count != len(given.labels):
        raise DataError(
            f"{given.path} returns {class_count} scores, but --labels has "
            f"{len(given.labels)}; give one label a line, in the order of the scores"
        )


def _described(ports: Ports, layout: str, crop: int) -> str:
    sizes = f"3 x {crop} x {crop}" if layout == "NCHW" else f"{crop} x {crop} x 3"
    kind = "bytes" if ports.is_bytes else "floats"
    return f"takes {kind}, {ports.batch or 'N'} x {sizes} ({layout})"


def _digest(model: onnx.ModelProto) -> str:
    """Return the sha256 of the network with its weights, wherever it keeps them."""
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
