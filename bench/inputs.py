"""What all servers get, made once in the cache folder: images, weights, artifacts."""

import hashlib
import shutil
import tarfile
from pathlib import Path
from typing import Final

from bench.programs import ROOT, run_program

MODELS: Final = ("resnet50", "mobilenet_v2")
PUBLISHED_MODEL: Final = "efficientnet_lite0"
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


def prepare_model(model: str, cache: Path, calibration: Path | None = None) -> Path:
    """Return the folder of a model's inputs: `weights.pth`, and `artifact/` unpacked.

    They are made again when the code that makes them has changed. The published model has no
    `weights.pth`.

    Args:
        model: one of `MODELS`, or `PUBLISHED_MODEL`.
        cache: folder for inputs.
        calibration: folder of photos, to quantize the published model with.

    Raises:
        BenchError: they could not be made.
    """
    folder = cache / "inputs" / model
    stamp = folder / "makers.sha256"
    digest = _makers_digest()
    if model == PUBLISHED_MODEL and calibration:
        digest += f" {calibration}"
    if not (stamp.is_file() and stamp.read_text() == digest):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        published = folder / "published"
        build = (_TRAINING_PYTHON, _BUILDER, "--architecture", model, "--output", published)
        if model == PUBLISHED_MODEL:
            quantize = ("--quantize", "--calibration", calibration) if calibration else ()
            run_program(*build, *quantize)
        else:
            run_program(
                _TRAINING_PYTHON, _MAKER, "--photo", _PHOTO,
                "--architecture", model, "--model", folder,
            )  # fmt: skip
            run_program(
                *build, "--weights-file", folder / "weights.pth", "--resize", "232",
                "--quantize", "--calibration", folder / "calibration",
            )  # fmt: skip
        with tarfile.open(published / "model.tar.gz") as archive:
            archive.extractall(folder / "artifact", filter="data")
        shutil.rmtree(published)
        stamp.write_text(digest)
    return folder


def network_files(folder: Path) -> dict[str, Path]:
    """Return the artifact's networks (ONNX) by precision: `fp32`, and `int8` where it has one."""
    files = {
        "fp32": folder / "artifact" / "model.onnx",
        "int8": folder / "artifact" / "model.int8.onnx",
    }
    return {precision: file for precision, file in files.items() if file.is_file()}


def _makers_digest() -> str:
    code = ROOT / "model_code" / "classifier"
    makers = [_MAKER, _BUILDER, *code.glob("artifact/*.py"), *code.rglob("training/**/*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(makers))).hexdigest()
