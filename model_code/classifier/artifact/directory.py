"""An artifact on disk: the manifest and the files that it names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.artifact.manifest import FILE_BY_PRECISION, Manifest
from classifier.artifact.manifest_errors import ManifestError
from classifier.artifact.manifest_parser import parse_manifest

MANIFEST_FILE: Final = "manifest.json"
_FLAG_BY_PRECISION: Final = {"int8": "--quantize", "fp16": "--half-precision"}
_BF16: Final = "bf16"


class ArtifactError(Exception):
    """The artifact cannot be served; the message is one line that says why."""


@dataclass(frozen=True)
class Artifact:
    """A directory whose files have the sha256 that its manifest states."""

    directory: Path
    manifest: Manifest

    def resolve_precision(self, requested: str) -> str:
        """Return the precision to compute in; `auto` is the best for a CPU, int8 or else fp32.

        Raises:
            ArtifactError: the artifact has no network of the precision that is requested, or was
                not found good enough in it.
        """
        precisions = self.manifest.precisions
        if requested == "auto":
            return precisions[-1]
        if requested == _BF16 and _BF16 not in precisions:
            raise ArtifactError(
                f"the manifest in {self.directory} does not allow bf16: check it with build.py "
                "--bf16 --calibration DIR, which refuses it where its predictions differ too much, "
                "or set the precision 'auto' or 'fp32'"
            )
        if requested not in precisions:
            raise ArtifactError(
                f"{self.directory} holds no {requested} network, only {' and '.join(precisions)}: "
                f"build one with build.py {_FLAG_BY_PRECISION[requested]} --calibration DIR, which "
                "leaves it out where its predictions differ too much, or set the precision 'auto'"
            )
        return requested

    def model_path(self, precision: str) -> Path:
        """Return the path of the network as ONNX.

        Its input `image` is N x 3 x crop x crop, its output `logits` N x classes.

        Args:
            precision: one of the manifest's `precisions`.
        """
        return self.directory / FILE_BY_PRECISION["fp32" if precision == _BF16 else precision]


def read_artifact(directory: Path) -> Artifact:
    """Read the manifest in `directory` and check each file that it names.

    Nothing is unpickled: the files are JSON and ONNX.

    Raises:
        ArtifactError: a file is missing or unreadable, the manifest is not valid, or a file's
            sha256 differs from the manifest's.
    """
    path = directory / MANIFEST_FILE
    try:
        manifest = parse_manifest(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path} is not UTF-8 text") from error
    except ManifestError as error:
        raise ArtifactError(f"{path}: {error}; build the artifact again") from error
    for name, expected in manifest.files.items():
        actual = file_sha256(directory / name)
        if actual != expected:
            raise ArtifactError(
                f"{directory / name} has sha256 {actual}, but its manifest says {expected}: "
                "the file was changed or damaged after the build; build the artifact again"
            )
    return Artifact(directory=directory, manifest=manifest)


def file_sha256(path: Path) -> str:
    """Return the file's sha256 in hexadecimal.

    Raises:
        ArtifactError: the file is missing or unreadable.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
