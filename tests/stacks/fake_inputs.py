"""Minimal inputs of a deployment; their code never runs."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.contract.serving.artifacts import identity_of

NETWORKS = {"model.onnx": b"onnx"}
PREPROCESSING = {
    "resize": 232,
    "crop": 224,
    "interpolation": "bilinear",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.1, 0.1, 0.1],
}
QUANTIZATION = {
    "tool": "nncf 3",
    "quantizer_version": 1,
    "calibration_sha256": "5e" * 32,
    "calibration_images": 100,
    "held_back_images": 100,
    "agreement": 0.998,
    "fp32_accuracy": None,
    "int8_accuracy": None,
    "shipped": True,
}


HALF_PRECISION = {
    "tool": "onnxruntime 1",
    "converter_version": 1,
    "held_back_images": 100,
    "agreement": 1.0,
    "fp32_accuracy": None,
    "fp16_accuracy": None,
    "shipped": True,
}


BFLOAT16 = {
    "held_back_images": 100,
    "agreement": 1.0,
    "fp32_accuracy": None,
    "bf16_accuracy": None,
    "accepted": True,
}


def manifest_of(networks: Mapping[str, bytes], **changes: Any) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "schema_version": 4,
        "name": "digits-resnet",
        "architecture": "resnet18",
        "labels": [str(digit) for digit in range(10)],
        "preprocessing": PREPROCESSING,
        "output": "logits",
        "weights_sha256": "0f" * 32,
        "exporter_version": 1,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in networks.items()},
        "metrics": {},
        "training_data": {"classes": 10},
        "libraries": {},
        "backbone": None,
        "baseline": None,
        "quantization": QUANTIZATION if "model.int8.onnx" in networks else None,
        "fast_decoding": None,
        **changes,
    }
    if "model.fp16.onnx" in networks:
        manifest["half_precision"] = HALF_PRECISION
    return {"identity": identity_of(manifest), **manifest}


IDENTITY = manifest_of(NETWORKS)["identity"]


def write_model(
    directory: Path, *, networks: Mapping[str, bytes] = NETWORKS, **changes: Any
) -> Path:
    """Write an archive, its sha256 and its manifest, the manifest with `changes`."""
    content = json.dumps(manifest_of(networks, **changes), indent=2, sort_keys=True).encode()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "manifest.json").write_bytes(content)
    write_archive(directory, {"manifest.json": content, **networks})
    return directory


def write_archive(
    directory: Path, members: Mapping[str, bytes], *empty_members: tarfile.TarInfo
) -> None:
    """Write an archive and its sha256."""
    archive = directory / "model.tar.gz"
    with (
        gzip.GzipFile(archive, "wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as opened,
    ):
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            opened.addfile(member, io.BytesIO(data))
        for member in empty_members:
            opened.addfile(member)
    write_sha256(archive)


def write_sha256(archive: Path) -> str:
    """Write what `sha256sum model.tar.gz` prints beside the archive; return the digest."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (archive.parent / "model.tar.gz.sha256").write_text(f"{digest}  model.tar.gz\n")
    return digest


def write_proxy(directory: Path) -> Path:
    return _write(directory, {"classifier_proxy/handler.py": "def handle(): ...\n"})


def write_page(directory: Path) -> Path:
    return _write(
        directory,
        {
            "404.html": '<link rel="icon" href="/assets/0a1b/icon.svg"> Nothing here\n',
            "assets/0a1b/page.js": "\n",
            "index.html": "<!doctype html>\n",
        },
    )


def write_model_code(directory: Path) -> Path:
    return _write(
        directory,
        {
            "Dockerfile": "FROM scratch\n",
            ".dockerignore": "*\n!serve.py\n!classifier\n",
            "classifier/__init__.py": "",
            "requirements-quantize.txt": "nncf==3\n",
            "requirements-job.txt": "onnx==1\n",
            "serve.py": "",
            "train.py": "import classifier\n",
        },
    )


def _write(directory: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return directory
