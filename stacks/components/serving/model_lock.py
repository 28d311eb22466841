"""The lock of a stage: which model it serves, as committed in `config/models/`.

`<stage>.toml` names the artifact by the sha256 of its bytes, and `<stage>.manifest.json` is the
manifest inside it. With both, synthesis needs no artifact.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from classifier.artifact.packing import ARCHIVE_FILE, VERSION_LENGTH
from stacks.errors import InputError, SettingsError
from stacks.settings.base import Settings, text
from stacks.settings.problems import describe_problems
from stacks.settings.stage_file import read_toml

SERVED_PREFIX = "serving"  # of the S3 keys in the bucket of models

Sha256 = Annotated[str, text(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")]
ModelName = Annotated[
    str, text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "up to 63 letters, digits, . _ or -")
]
SourceUri = Annotated[
    str,
    text(
        rf"s3://[a-z0-9.-]{{3,63}}/[!-~]+|build/store/[0-9a-f]{{64}}/{ARCHIVE_FILE}",
        "an address that begins with s3://, or for the stage local a file of build/store",
    ),
]
PackageArn = Annotated[
    str,
    text(
        r"|arn:[a-z-]+:sagemaker:[a-z0-9-]+:\d{12}:model-package/[A-Za-z0-9-]+/\d+",
        'the ARN of a model package, or ""',
    ),
]


class ModelLock(Settings):
    """The model of a stage.

    Attributes:
        sha256: sha256 of `model.tar.gz` in hexadecimal.
        manifest_sha256: sha256 of the manifest beside the lock in hexadecimal.
        key: S3 key in the stage's bucket of models.
        name: the model's name.
        source_uri: where the artifact is copied from.
        model_package_arn: the package in the model registry; "" if there is none.
    """

    sha256: Sha256
    manifest_sha256: Sha256
    key: str = Field(json_schema_extra={"expected": f"{SERVED_PREFIX}/<sha256>/{ARCHIVE_FILE}"})
    name: ModelName
    source_uri: SourceUri
    model_package_arn: PackageArn = ""

    @property
    def version(self) -> str:
        """The first digits of the sha256, as in every response."""
        return self.sha256[:VERSION_LENGTH]

    @property
    def source_bucket(self) -> str:
        """The bucket of the source; `build` for the stage local."""
        return self.source_uri.removeprefix("s3://").partition("/")[0]

    @property
    def source_key(self) -> str:
        """The S3 key of the source."""
        return self.source_uri.removeprefix("s3://").partition("/")[2]

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.key != (expected := served_key(self.sha256)):
            raise ValueError(f"key = {self.key!r}: expected {expected!r}")
        return self


@dataclass(frozen=True, kw_only=True)
class LockFiles:
    """The two files of a stage's lock, which may not exist."""

    lock: Path
    manifest: Path


def lock_files(folder: Path, stage: str) -> LockFiles:
    """Return the paths of a stage's lock.

    Args:
        folder: `config/models`.
        stage: name of the stage.
    """
    return LockFiles(lock=folder / f"{stage}.toml", manifest=folder / f"{stage}.manifest.json")


def served_key(sha256: str) -> str:
    """Return the S3 key of an artifact in a stage's bucket of models."""
    return f"{SERVED_PREFIX}/{sha256}/{ARCHIVE_FILE}"


def read_lock(folder: Path, stage: str) -> ModelLock | None:
    """Return the lock of a stage; None if it has none.

    Args:
        folder: `config/models`.
        stage: name of the stage.

    Raises:
        InputError: a file is missing or invalid, or the two do not belong together.
    """
    files = lock_files(folder, stage)
    if not files.lock.exists():
        return None
    try:
        lock = ModelLock.model_validate(read_toml(files.lock))
    except SettingsError as error:
        raise InputError(_with_advice(str(error), stage)) from error
    except ValidationError as error:
        problems = "\n".join(
            f"{files.lock}: {problem}" for problem in describe_problems(error, ModelLock)
        )
        raise InputError(_with_advice(problems, stage)) from error
    _check_manifest(files, lock, stage)
    return lock


def _check_manifest(files: LockFiles, lock: ModelLock, stage: str) -> None:
    try:
        actual = hashlib.sha256(files.manifest.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            _with_advice(f"{files.manifest} cannot be read ({error.strerror})", stage)
        ) from error
    if actual != lock.manifest_sha256:
        raise InputError(
            _with_advice(
                f"{files.manifest} has the sha256 {actual}, expected {lock.manifest_sha256} as "
                f"{files.lock.name} states: take both files from the same commit",
                stage,
            )
        )


def _with_advice(problem: str, stage: str) -> str:
    return f"{problem}. `git checkout` restores them, `make promote STAGE={stage}` writes them anew"
