"""A built model as synthesis sees it: the archive, and what its manifest says."""

import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacks.components.serving.model_archive import (
    MANIFEST_FILE,
    check_members,
    read_archive_sha256,
)
from stacks.errors import InputError

_ARCHIVE_FILE = "model.tar.gz"
_SHA256_FILE = "model.tar.gz.sha256"
_SCHEMA_VERSION = 3
_VERSION_LENGTH = 12
_NETWORK_FILE = "model.onnx"
_INT8_NETWORK_FILE = "model.int8.onnx"
_MAX_RESIZE_PIXELS = 4096  # as model_code/classifier/artifact/manifest.py
_MAX_REPR_LENGTH = 100
_SHORT_REPR = reprlib.Repr()  # unlike repr(), it bounds the depth too
_SHORT_REPR.maxstring = _SHORT_REPR.maxother = _MAX_REPR_LENGTH
_MAX_MANIFEST_BYTES = 16 << 20  # ten thousand labels take less than one
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ModelArtifact:
    """A built model: `model.tar.gz` and what its manifest says about it.

    Attributes:
        archive: the path of `model.tar.gz`.
        sha256: of the archive's bytes, in hexadecimal. A deployed model is these bytes.
        name: the model's name, such as "resnet50".
        identity: the sha256 of what makes the model what it is (weights, labels, preprocessing,
            exporter): two machines that build the same model agree on it, not on the bytes.
        files: the names of the archive's other files: `model.onnx`, and `model.int8.onnx` where
            the model was quantized.
        resize_pixels: the shorter side, in pixels, that the model resizes a picture to.
        demo: whether it was trained on the demo's digits, which are for tests.
    """

    archive: Path
    sha256: str
    name: str
    identity: str
    files: frozenset[str]
    resize_pixels: int
    demo: bool

    @property
    def version(self) -> str:
        """The beginning of the sha256, short enough to be read aloud; in each response."""
        return self.sha256[:_VERSION_LENGTH]


def load_model_artifact(directory: Path) -> ModelArtifact:
    """Read a built model, and check every byte of it against what its build wrote.

    Raises:
        InputError: a file is missing, damaged or not readable, or the files do not belong
            together; the message says what to do.
    """
    if not directory.is_dir() or not any(directory.iterdir()):
        raise InputError(
            f"no model artifact: {directory / _ARCHIVE_FILE} is missing. Build one with "
            "`make model`, or name a folder that holds one with -c model=<folder>"
        )
    try:
        return _read_artifact(directory)
    except InputError as error:
        raise InputError(
            f"{error}: delete {directory} and build it again with `make model`, or with "
            "model_code/build.py --trained for a model of your own"
        ) from error


def _read_artifact(directory: Path) -> ModelArtifact:
    archive, sha256_file, manifest_path = (
        directory / name for name in (_ARCHIVE_FILE, _SHA256_FILE, MANIFEST_FILE)
    )
    for path in (archive, sha256_file, manifest_path):
        if not path.is_file():
            raise InputError(f"no whole model artifact: {path} is missing")
    try:
        sha256 = read_archive_sha256(archive, sha256_file)
        content = _read_manifest(manifest_path)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror})") from error
    manifest = _parse_object(content, manifest_path)
    files = _files_of(manifest, manifest_path)
    check_members(archive, content, files)
    return _artifact_of(manifest, manifest_path, archive=archive, sha256=sha256, files=files)


def _read_manifest(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _MAX_MANIFEST_BYTES:
        raise InputError(f"{path} has {size} bytes, expected at most {_MAX_MANIFEST_BYTES}")
    return path.read_bytes()


def _parse_object(content: bytes, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error})") from error
    found = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or found != _SCHEMA_VERSION:
        raise InputError(f"{path}: schema_version = {_repr(found)}, expected {_SCHEMA_VERSION}")
    return manifest


def _files_of(manifest: Mapping[str, Any], path: Path) -> dict[str, str]:
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(_is_sha256(digest) for digest in files.values()):
        raise InputError(
            f"{path}: files = {_repr(files)}, expected the sha256 of each file by its name"
        )
    if not {_NETWORK_FILE} <= set(files) <= {_NETWORK_FILE, _INT8_NETWORK_FILE}:
        raise InputError(
            f"{path}: files names {_repr(sorted(files))}, expected {_NETWORK_FILE}, with or "
            f"without {_INT8_NETWORK_FILE}"
        )
    return files


def _artifact_of(
    manifest: Mapping[str, Any], path: Path, *, archive: Path, sha256: str, files: Mapping[str, str]
) -> ModelArtifact:
    name, identity = manifest.get("name"), manifest.get("identity")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise InputError(
            f"{path}: name = {_repr(name)}, expected up to 63 letters, digits, . _ or -"
        )
    if not isinstance(identity, str) or not _is_sha256(identity):
        raise InputError(f"{path}: identity = {_repr(identity)}, expected a sha256 in hexadecimal")
    preprocessing, training_data = manifest.get("preprocessing"), manifest.get("training_data")
    resize = preprocessing.get("resize") if isinstance(preprocessing, dict) else None
    if type(resize) is not int or not 1 <= resize <= _MAX_RESIZE_PIXELS:
        raise InputError(
            f"{path}: preprocessing.resize = {_repr(resize)}, expected a number of pixels from 1 "
            f"to {_MAX_RESIZE_PIXELS}"
        )
    return ModelArtifact(
        archive=archive,
        sha256=sha256,
        name=name,
        identity=identity,
        files=frozenset(files),
        resize_pixels=resize,
        demo=isinstance(training_data, dict) and training_data.get("demo") is True,
    )


def _is_sha256(digest: object) -> bool:
    return isinstance(digest, str) and _SHA256.fullmatch(digest) is not None


def _repr(value: object) -> str:
    """Return the beginning of what a manifest states, short enough for a message."""
    text = _SHORT_REPR.repr(value)
    return text if len(text) <= _MAX_REPR_LENGTH else f"{text[: _MAX_REPR_LENGTH - 3]}..."
