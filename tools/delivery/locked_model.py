"""Checks that the model of a lock is where the stage's endpoint will read it."""

from collections.abc import Callable
from typing import Any

from stacks.components.serving.model_lock import ModelLock
from stacks.names import LOCKS_FOLDER
from stacks.settings.stage import StageSettings
from tools.delivery.artifacts import models_bucket
from tools.s3_objects import stored_sha256


def locked_model_problem(
    settings: StageSettings, lock: ModelLock, client: Callable[[str], Any]
) -> str | None:
    """Return why the model that the lock names cannot be deployed and what to do, or None.

    Args:
        settings: of the stage.
        lock: of the stage.
        client: returns the client of a service.
    """
    stage = settings.stage
    model = f"{LOCKS_FOLDER}/{stage}.toml names {lock.name} {lock.version}"
    bucket = models_bucket(client("cloudformation"), settings.name)
    if bucket is None:
        return (
            f"{model}, and the stage has no bucket of models yet: run "
            f"`make deploy STAGE={stage} ONLY=storage`, then {_bring(settings)}."
        )
    address = f"s3://{bucket}/{lock.key}"
    actual = stored_sha256(client("s3"), bucket, lock.key)
    if actual is None:
        return f"{model}, which is not at {address}: {_bring(settings)}."
    if actual != lock.sha256:
        return (
            f"{model}, and {address} has the sha256 {actual}, expected {lock.sha256}: "
            f"{_bring(settings)}."
        )
    return None


def _bring(settings: StageSettings) -> str:
    stage = settings.stage
    if settings.delivery == "laptop":
        return f"`make promote STAGE={stage}` puts the model in build/model there and names it"
    return f"`python -m tools.delivery.copy_model --stage {stage}` copies it from its source"
