"""Locks of stages, written by hand."""

import hashlib
import json
from pathlib import Path

SOURCE_BUCKET = "models-of-dev"


def write_lock(repository: Path, stage: str, model: Path, **changes: object) -> dict[str, object]:
    """Write the lock of the artifact in a folder, with `changes`; return its content."""
    folder = repository / "config" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = (model / "manifest.json").read_bytes()
    (folder / f"{stage}.manifest.json").write_bytes(manifest)
    sha256 = hashlib.sha256((model / "model.tar.gz").read_bytes()).hexdigest()
    key = f"serving/{sha256}/model.tar.gz"
    lock = {
        "sha256": sha256,
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "key": key,
        "name": json.loads(manifest)["name"],
        "source_uri": f"s3://{SOURCE_BUCKET}/{key}",
        "model_package_arn": "",
    } | changes
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in lock.items())
    (folder / f"{stage}.toml").write_text("".join(lines))
    return lock
