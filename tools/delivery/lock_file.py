"""Reads and writes the locks in `config/models`."""

import hashlib
from pathlib import Path

from classifier.artifact.directory import MANIFEST_FILE
from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.serving.model_lock import (
    LockFiles,
    ModelLock,
    lock_files,
    read_lock,
    served_key,
)
from stacks.errors import UserError
from stacks.names import LOCKS_FOLDER
from tools.cdk import ROOT
from tools.console import ToolError

FOLDER = ROOT / LOCKS_FOLDER


def files_of(stage: str) -> LockFiles:
    """Return the paths of a stage's lock."""
    return lock_files(FOLDER, stage)


def find_lock(stage: str) -> ModelLock | None:
    """Return a stage's lock; None if it has none.

    Raises:
        ToolError: the lock is not valid.
    """
    try:
        return read_lock(FOLDER, stage)
    except UserError as error:
        raise ToolError(str(error)) from error


def require_lock(stage: str) -> ModelLock:
    """Return a stage's lock.

    Raises:
        ToolError: there is none, or it is not valid.
    """
    lock = find_lock(stage)
    if lock is None:
        raise ToolError(
            f"The stage {stage} has no lock ({LOCKS_FOLDER}/{stage}.toml): "
            f"`make promote STAGE={stage}` writes one."
        )
    return lock


def write_lock(
    stage: str,
    folder: Path,
    model: ModelArtifact,
    *,
    source_uri: str,
    model_package_arn: str = "",
) -> LockFiles:
    """Write the lock of a stage and the manifest beside it.

    Args:
        stage: name of the stage.
        folder: the artifact's folder, which has the manifest.
        model: the model in it.
        source_uri: where the artifact is copied from.
        model_package_arn: the package in the model registry; "" if there is none.
    """
    manifest = (folder / MANIFEST_FILE).read_bytes()
    lock = ModelLock(
        sha256=model.sha256,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        key=served_key(model.sha256),
        name=model.name,
        source_uri=source_uri,
        model_package_arn=model_package_arn,
    )
    files = files_of(stage)
    FOLDER.mkdir(parents=True, exist_ok=True)
    _replace(files.manifest, manifest)
    _replace(files.lock, _as_toml(stage, lock).encode("ascii"))
    return files


def _as_toml(stage: str, lock: ModelLock) -> str:
    """Return the file's content; no value has a character that TOML would escape."""
    values = "".join(f'{name} = "{value}"\n' for name, value in lock.model_dump().items())
    return f"# The model of the stage {stage}, written by `make promote`.\n{values}"


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
