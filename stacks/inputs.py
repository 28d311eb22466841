"""What a deployment is made of besides its settings: the model, the code, the page."""

import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from stacks.errors import InputError

_MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class ModelArtifact:
    """A built model: `model.tar.gz` and what its manifest says about it.

    Attributes:
        archive: the path of `model.tar.gz`.
        name: the model's name, such as "resnet50".
        version: the first 12 hexadecimal digits of the identity.
        identity: the sha256 of what makes the model what it is (weights, labels, preprocessing,
            exporter), not of the archive's bytes: two machines that build the same model agree.
        files: the names of the archive's other files: `model.onnx`, and `model.int8.onnx` where
            the model was quantized.
        resize_pixels: the shorter side, in pixels, that the model resizes a picture to.
    """

    archive: Path
    name: str
    version: str
    identity: str
    files: frozenset[str]
    resize_pixels: int


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The folders and the model that the stacks deploy.

    Attributes:
        model: the model's artifact.
        proxy_directory: the proxy's code with its dependencies.
        page_directory: the web page, as it is served.
        model_code_directory: the serving image's build context and the training job's source.
    """

    model: ModelArtifact
    proxy_directory: Path
    page_directory: Path
    model_code_directory: Path


def load_inputs(
    *,
    model_directory: Path,
    proxy_directory: Path,
    page_directory: Path,
    model_code_directory: Path,
) -> Inputs:
    """Find what will be deployed.

    Raises:
        InputError: something is missing or unusable; the message names what builds it.
    """
    if not (proxy_directory / "classifier_proxy").is_dir():
        raise InputError(
            f"no proxy code in {proxy_directory}: expected the folder classifier_proxy there. "
            "Build it with `python -m tools.bundle_proxy`, or name another with -c proxy=<folder>"
        )
    if not (page_directory / "index.html").is_file():
        raise InputError(
            f"no web page in {page_directory}: expected index.html there. "
            "Build it with `python -m tools.bundle_web`, or name another with -c page=<folder>"
        )
    return Inputs(
        model=load_model_artifact(model_directory),
        proxy_directory=proxy_directory,
        page_directory=page_directory,
        model_code_directory=model_code_directory,
    )


def load_model_artifact(directory: Path) -> ModelArtifact:
    """Read the manifest of a built model, and check that it belongs to the archive beside it.

    Raises:
        InputError: a file is missing, not readable, or the two do not belong together.
    """
    manifest_path, archive = directory / _MANIFEST, directory / "model.tar.gz"
    for path in (archive, manifest_path):
        if not path.is_file():
            raise InputError(
                f"no model artifact: {path} is missing. Build one with `make model`, "
                "or name a folder that holds one with -c model=<folder>"
            )
    content = manifest_path.read_bytes()
    if _read_archived_manifest(archive) != content:
        raise InputError(
            f"{manifest_path} is not the manifest inside {archive.name}: they come from different "
            "builds. Build them together with `make model`"
        )
    return _parse_manifest(content, manifest_path, archive)


def _read_archived_manifest(archive: Path) -> bytes | None:
    """Return the manifest in the archive, or None; it is the first member, so this is quick."""
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for member in opened:
                if member.name == _MANIFEST and (file := opened.extractfile(member)):
                    return file.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(
            f"{archive} cannot be read ({error}): build it again with `make model`"
        ) from error
    return None


def _parse_manifest(content: bytes, path: Path, archive: Path) -> ModelArtifact:
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}): build it with `make model`") from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != 2:
        raise InputError(f"{path}: expected schema_version 2: build it again with `make model`")
    name, identity, files = (manifest.get(key) for key in ("name", "identity", "files"))
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise InputError(f"{path}: name = {name!r}: expected up to 63 letters, digits, . _ or -")
    if not isinstance(identity, str) or not re.fullmatch(r"[0-9a-f]{64}", identity):
        raise InputError(f"{path}: identity = {identity!r}: expected a sha256 in hexadecimal")
    if manifest.get("version") != identity[:12]:
        raise InputError(
            f"{path}: version: expected the identity's first 12 digits, {identity[:12]}"
        )
    if not isinstance(files, dict):
        raise InputError(f"{path}: files = {files!r}: expected the sha256 of each file by its name")
    preprocessing = manifest.get("preprocessing")
    resize = preprocessing.get("resize") if isinstance(preprocessing, dict) else None
    if type(resize) is not int or resize < 1:
        raise InputError(f"{path}: preprocessing.resize = {resize!r}: expected a number of pixels")
    return ModelArtifact(
        archive=archive,
        name=name,
        version=identity[:12],
        identity=identity,
        files=frozenset(files),
        resize_pixels=resize,
    )
