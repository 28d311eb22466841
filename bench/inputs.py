"""What all servers get, made once in the cache folder: pictures, weights, artifacts."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from bench.errors import BenchError
from bench.server import ROOT

MODELS: Final = ("resnet50", "mobilenet_v2")
PICTURES: Final = ("500x375", "1920x1080")
_TRAINING_PYTHON: Final = ROOT / ".venvs" / "training" / "bin" / "python"
_MAKER: Final = ROOT / "bench" / "make_inputs.py"
_BUILDER: Final = ROOT / "model_code" / "build.py"
_PHOTO: Final = ROOT / "samples" / "cat.jpg"
_INT8_FILE: Final = "model.int8.onnx"
_LAST_CHARACTERS: Final = 600


def prepare_pictures(cache: Path) -> dict[str, bytes]:
    """Return each test picture (JPEG) by its size.

    Raises:
        BenchError: they could not be made.
    """
    folder = cache / "inputs" / "pictures"
    if not all((folder / f"{name}.jpg").is_file() for name in PICTURES):
        _run([str(_MAKER), "--photo", str(_PHOTO), "--pictures", str(folder)])
    return {name: (folder / f"{name}.jpg").read_bytes() for name in PICTURES}


def prepare_model(model: str, cache: Path) -> Path:
    """Return the folder of a model's inputs: `weights.pth`, and `artifact/` unpacked.

    Made again when what makes them has changed.

    Raises:
        BenchError: they could not be made.
    """
    folder = cache / "inputs" / model
    stamp = folder / "makers.sha256"
    digest = _makers_digest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        weights, calibration = folder / "weights.pth", folder / "calibration"
        _run([str(_MAKER), "--photo", str(_PHOTO), "--architecture", model,
              "--weights", str(weights), "--calibration", str(calibration)])  # fmt: skip
        _build(model, weights, calibration, folder)
        stamp.write_text(digest)
    return folder


def has_int8(folder: Path) -> bool:
    """Tell whether the artifact has an int8 network."""
    return (folder / "artifact" / _INT8_FILE).is_file()


def network_file(folder: Path, precision: str) -> Path:
    """Return the artifact's network of a precision."""
    return folder / "artifact" / (_INT8_FILE if precision == "int8" else "model.onnx")


def crop(folder: Path) -> int:
    """Return the side of the network's input in pixels."""
    manifest = json.loads((folder / "artifact" / "manifest.json").read_text())
    return int(manifest["preprocessing"]["crop"])


def _build(model: str, weights: Path, calibration: Path, folder: Path) -> None:
    published = folder / "published"
    _run([str(_BUILDER), "--architecture", model, "--weights-file", str(weights),
          "--quantize", "--calibration", str(calibration), "--output", str(published)])  # fmt: skip
    with tarfile.open(published / "model.tar.gz") as archive:
        archive.extractall(folder / "artifact", filter="data")
    shutil.rmtree(published)


def _makers_digest() -> str:
    code = ROOT / "model_code" / "classifier"
    makers = [
        _MAKER,
        _BUILDER,
        *sorted(code.glob("artifact/*.py")),
        *sorted(code.rglob("training/**/*.py")),
    ]
    return hashlib.sha256(
        b"".join(path.read_bytes() for path in makers if path.is_file())
    ).hexdigest()


def _run(arguments: list[str]) -> None:
    if not _TRAINING_PYTHON.exists():
        raise BenchError(f"{_TRAINING_PYTHON} is missing: run `make bench-serving`, which makes it")
    ended = subprocess.run(  # noqa: S603 - the command is built here
        [str(_TRAINING_PYTHON), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise BenchError(f"{Path(arguments[0]).name} failed: {ended.stderr[-_LAST_CHARACTERS:]}")
