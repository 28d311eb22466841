"""Which model a stage deploys: the one that its lock names, or the one in a folder."""

from pathlib import Path

from stacks.components.serving.model_artifact import (
    ModelArtifact,
    load_locked_model,
    load_model_artifact,
)
from stacks.components.serving.model_lock import ModelLock, lock_files, read_lock
from stacks.errors import InputError
from stacks.names import LOCKS_FOLDER

MODEL_FOLDER = Path("build", "model")
# Artifacts of the stage local by their sha256: it has no bucket before it is deployed.
STORE_FOLDER = Path("build", "store")
_LOCAL_STAGE = "local"


def choose_model(repository: Path, stage: str, folder: Path | None) -> ModelArtifact:
    """Return the model that a stage deploys.

    Args:
        repository: has `config/models` and `build`.
        stage: name of the stage.
        folder: the artifact that the user named; it must be the one that the lock names, if there
            is a lock. None: the lock decides, or else it is `build/model`.

    Raises:
        InputError: the lock or the artifact is missing or invalid, or they differ.
    """
    lock = read_lock(repository / LOCKS_FOLDER, stage)
    if lock is None:
        return load_model_artifact(folder or repository / MODEL_FOLDER)
    if folder is not None:
        _check_folder(folder, lock, stage)
    if stage == _LOCAL_STAGE:
        return _stored_model(repository, lock)
    return load_locked_model(repository / LOCKS_FOLDER, stage, lock)


def _check_folder(folder: Path, lock: ModelLock, stage: str) -> None:
    model = load_model_artifact(folder)
    if model.sha256 == lock.sha256:
        return
    name = lock_files(LOCKS_FOLDER, stage).lock
    raise InputError(
        f"{folder} holds {model.name} {model.version} and {name} names {lock.name} {lock.version}: "
        f"`make promote STAGE={stage} MODEL=<folder>` writes a lock for the first; without --model "
        "(of cdk: -c model=) the second is deployed"
    )


def _stored_model(repository: Path, lock: ModelLock) -> ModelArtifact:
    folder = repository / STORE_FOLDER / lock.sha256
    name = lock_files(LOCKS_FOLDER, _LOCAL_STAGE).lock
    if not folder.is_dir():
        raise InputError(
            f"{name} names {lock.name} {lock.version}, which is not in {folder} on this machine: "
            "`make promote MODEL=build/model` names the model in build/model, or delete the lock "
            "to deploy that without one"
        )
    model = load_model_artifact(folder)
    if model.sha256 != lock.sha256:
        raise InputError(
            f"{folder} holds {model.name} {model.version}, expected {lock.version} as {name} "
            "states: `make promote` stores a model anew"
        )
    return model
