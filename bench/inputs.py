"""What all servers get, made once in the cache folder: images, weights, artifacts."""

import hashlib
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.programs import ROOT, run_program
from classifier.artifact.directory import MANIFEST_FILE, read_artifact
from classifier.engines.processor import has_bf16

PUBLISHED_MODEL: Final = "efficientnet_lite0"
# The published weights are no torchvision network: servers that need one have no such model.
MODELS: Final = ("resnet50", "mobilenet_v2", PUBLISHED_MODEL)
IMAGE_SIZES: Final = ("500x375", "1920x1080")
_TRAINING_PYTHON: Final = ROOT / ".venvs" / "training" / "bin" / "python"
_MAKER: Final = ROOT / "bench" / "make_inputs.py"
_BUILDER: Final = ROOT / "model_code" / "build.py"
_PHOTO: Final = ROOT / "samples" / "cat.jpg"


def prepare_images(cache: Path) -> dict[str, bytes]:
    """Return the test images (JPEG) by size, `<width>x<height>`.

    Raises:
        BenchError: they could not be made.
    """
    folder = cache / "inputs" / "images"
    files = {size: folder / f"{size}.jpg" for size in IMAGE_SIZES}
    if not all(file.is_file() for file in files.values()):
        run_program(_TRAINING_PYTHON, _MAKER, "--photo", _PHOTO, "--images", folder)
    return {size: file.read_bytes() for size, file in files.items()}


def prepare_model(model: str, cache: Path) -> Path:
    """Return the folder of a model's inputs: `weights.pth`, and `artifact/` unpacked.

    They are made again when the code that makes them has changed. The published model has no
    `weights.pth`.

    Args:
        model: one of `MODELS`.
        cache: folder for inputs.

    Raises:
        BenchError: they could not be made.
    """
    folder = cache / "inputs" / model
    stamp = folder / "makers.sha256"
    digest = _makers_digest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _make_artifact(model, folder)
        _make_earlier_artifact(folder)
        stamp.write_text(digest)
    return folder


def earlier(folder: Path) -> Path:
    """Return the folder of the same inputs for a checkout from before bf16."""
    return folder / "earlier"


def networks(folder: Path) -> dict[str, Path]:
    """Return the networks (ONNX) by the precision that our server can compute them in here."""
    artifact = read_artifact(folder / "artifact")
    precisions = [name for name in ("fp32", "bf16", "int8") if name in artifact.manifest.precisions]
    if not has_bf16():
        precisions = [name for name in precisions if name != "bf16"]
    return {precision: artifact.model_path(precision) for precision in precisions}


def _make_artifact(model: str, folder: Path) -> None:
    published, calibration = folder / "published", folder / "calibration"
    make = (_TRAINING_PYTHON, _MAKER, "--photo", _PHOTO)
    build = (_TRAINING_PYTHON, _BUILDER, "--architecture", model, "--output", published)
    check = ("--quantize", "--bf16", "--calibration", calibration)
    if model == PUBLISHED_MODEL:
        run_program(*make, "--crops", calibration)
        run_program(*build, *check)
    else:
        run_program(*make, "--architecture", model, "--model", folder)
        weights = ("--weights-file", folder / "weights.pth", "--resize", "232")
        run_program(*build, *weights, *check)
    with tarfile.open(published / "model.tar.gz") as archive:
        archive.extractall(folder / "artifact", filter="data")
    shutil.rmtree(published)


def _make_earlier_artifact(folder: Path) -> None:
    """Link the networks, beside a manifest without the section that earlier checkouts refuse."""
    made = earlier(folder) / "artifact"
    made.mkdir(parents=True)
    artifact = read_artifact(folder / "artifact")
    for name in artifact.manifest.files:
        (made / name).symlink_to((artifact.directory / name).resolve())
    manifest = replace(artifact.manifest, bfloat16=None)
    (made / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")


def _makers_digest() -> str:
    code = ROOT / "model_code" / "classifier"
    makers = [_MAKER, _BUILDER, *code.glob("artifact/*.py"), *code.rglob("training/**/*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(makers))).hexdigest()
