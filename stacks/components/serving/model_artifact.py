"""The built model that a stage deploys: the archive and the fields of its manifest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from classifier.artifact.baseline import Baseline
from classifier.artifact.directory import MANIFEST_FILE, ArtifactError, file_sha256
from classifier.artifact.manifest import Manifest
from classifier.artifact.manifest_errors import FieldError, ManifestError
from classifier.artifact.manifest_parser import parse_manifest
from classifier.artifact.packing import ARCHIVE_FILE, SHA256_FILE, VERSION_LENGTH
from classifier.artifact.samples import find_samples
from stacks.components.serving.model_archive import check_members, read_archive_sha256
from stacks.components.serving.model_lock import ModelLock, lock_files
from stacks.errors import InputError

_MAX_MANIFEST_BYTES = 16 << 20  # ten thousand labels take less than 1 MiB
# Characters that are valid in CloudWatch, SageMaker and tags.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class ModelArtifact:
    """A built model: `model.tar.gz` and what its manifest says about it.

    Attributes:
        archive: the path of `model.tar.gz`; None: it is in the stage's bucket of models.
        sha256: sha256 of the archive's bytes in hexadecimal, which identifies the deployed model.
        name: the model's name, such as "resnet50".
        identity: sha256 of everything that determines predictions (weights, labels, preprocessing,
            exporter). Two machines that build the same model get the same identity, but not always
            the same bytes.
        labels: the labels of the classes, in the order of their indexes.
        files: the names of the archive's other files: `model.onnx`, and `model.int8.onnx` if the
            model was quantized.
        allows_bf16: whether its predictions in bf16 were found as good as those in fp32.
        resize_pixels: length in pixels that the model resizes an image's shorter side to.
        demo: whether it was trained on the demo's digits, which are for tests.
        samples: paths of the sample images beside the archive, sorted by name.
        metrics: `test_accuracy`, the share of `test_images` unseen images, and others.
        baseline: what the model returned for its test images, or None.
        lock: what names the model in the stage's bucket of models; None: `archive` is deployed.
    """

    archive: Path | None
    sha256: str
    name: str
    identity: str
    labels: tuple[str, ...]
    files: frozenset[str]
    resize_pixels: int
    demo: bool
    samples: tuple[Path, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    baseline: Baseline | None = None
    allows_bf16: bool = False
    lock: ModelLock | None = None

    @property
    def version(self) -> str:
        """The first digits of the sha256, as in every response."""
        return self.sha256[:VERSION_LENGTH]


def load_model_artifact(directory: Path) -> ModelArtifact:
    """Read a built model, and check every byte of it against the build's checksums.

    Raises:
        InputError: a file is missing, damaged or not readable, or the files do not belong
            together; the message says what to do.
    """
    if not directory.is_dir() or not any(directory.iterdir()):
        raise InputError(
            f"no model artifact: {directory / ARCHIVE_FILE} is missing. Build one with "
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
        directory / name for name in (ARCHIVE_FILE, SHA256_FILE, MANIFEST_FILE)
    )
    for path in (archive, sha256_file, manifest_path):
        if not path.is_file():
            raise InputError(f"the model artifact is incomplete: {path} is missing")
    try:
        sha256 = read_archive_sha256(archive, sha256_file)
        content = _read_manifest(manifest_path)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror})") from error
    manifest = _parse(content, manifest_path)
    samples = check_members(archive, content, manifest.files)
    return _artifact(
        manifest, sha256=sha256, archive=archive, samples=_check_samples(directory, samples)
    )


def load_locked_model(folder: Path, stage: str, lock: ModelLock) -> ModelArtifact:
    """Return the model that a stage's lock names, by its manifest alone.

    Args:
        folder: `config/models`.
        stage: name of the stage.
        lock: its lock.

    Raises:
        InputError: the manifest is not readable, or names another model.
    """
    path = lock_files(folder, stage).manifest
    manifest = _parse(_read_manifest(path), path)
    if manifest.name != lock.name:
        raise InputError(
            f"{path} describes the model {manifest.name}, expected {lock.name} as the lock states"
        )
    return replace(_artifact(manifest, sha256=lock.sha256), lock=lock)


def _artifact(
    manifest: Manifest, *, sha256: str, archive: Path | None = None, samples: tuple[Path, ...] = ()
) -> ModelArtifact:
    return ModelArtifact(
        archive=archive,
        sha256=sha256,
        name=manifest.name,
        identity=manifest.identity,
        labels=manifest.labels,
        files=frozenset(manifest.files),
        resize_pixels=manifest.preprocessing.resize,
        demo=manifest.training_data.get("demo") is True,
        samples=samples,
        metrics=manifest.metrics,
        baseline=manifest.baseline,
        allows_bf16="bf16" in manifest.precisions,
    )


def _check_samples(directory: Path, packed: Mapping[str, str]) -> tuple[Path, ...]:
    """Check that the sample images beside the archive are those inside it; some may be missing."""
    try:
        names = find_samples(directory)
        digests = {name: file_sha256(directory / name) for name in names}
    except ArtifactError as error:
        raise InputError(str(error)) from error
    for name, sha256 in digests.items():
        if sha256 != packed.get(name):
            raise InputError(f"{directory / name} is not the sample image inside {ARCHIVE_FILE}")
    return tuple(directory / name for name in names)


def _read_manifest(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _MAX_MANIFEST_BYTES:
        raise InputError(f"{path} has {size} bytes, expected at most {_MAX_MANIFEST_BYTES}")
    return path.read_bytes()


def _parse(content: bytes, path: Path) -> Manifest:
    try:
        manifest = parse_manifest(content.decode())
        if not _NAME.fullmatch(manifest.name):
            raise FieldError("name", manifest.name, "up to 63 letters, digits, . _ or -")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error})") from error
    except ManifestError as error:
        raise InputError(f"{path}: {error}") from error
    return manifest
