"""The smallest things that can be deployed: what they hold is never run."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

IDENTITY = "5e" * 32


def manifest_of(**changes: Any) -> dict[str, Any]:
    manifest = {
        "schema_version": 2,
        "name": "digits-resnet",
        "version": IDENTITY[:12],
        "identity": IDENTITY,
        "files": {"model.onnx": "0f" * 32},
        "preprocessing": {"resize": 232, "crop": 224},
    }
    return {**manifest, **changes}


def write_model(directory: Path, *, weights: bytes = b"onnx", **changes: Any) -> Path:
    content = json.dumps(manifest_of(**changes), indent=2, sort_keys=True).encode()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "manifest.json").write_bytes(content)
    with tarfile.open(directory / "model.tar.gz", "w:gz") as archive:
        for name, data in (("manifest.json", content), ("model.onnx", weights)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return directory


def write_proxy(directory: Path) -> Path:
    return _write(directory, {"classifier_proxy/handler.py": "def handle(): ...\n"})


def write_page(directory: Path) -> Path:
    return _write(directory, {"index.html": "<!doctype html>\n", "assets/0a1b/page.js": "\n"})


def write_model_code(directory: Path) -> Path:
    return _write(
        directory,
        {
            "Dockerfile": "FROM scratch\n",
            ".dockerignore": "*\n!serve.py\n!classifier\n",
            "classifier/__init__.py": "",
            "requirements-quantize.txt": "nncf==3\n",
            "requirements.txt": "onnx==1\n",
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
