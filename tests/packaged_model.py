"""The artifact of the packaged weights, which two suites need: built once for the same code."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PYTHON = ROOT / ".venvs" / "training" / "bin" / "python"
_MODELS = ROOT / "build" / "test-models"
_REQUIREMENTS = ("training.txt", "packaged-weights.txt")


def copy_packaged_model(folder: Path) -> Path:
    """Write what `build.py --architecture efficientnet_lite0` writes into a folder; return it.

    One process builds it, and others wait; it is kept until the code or a requirement changes.
    """
    _MODELS.mkdir(parents=True, exist_ok=True)
    with (_MODELS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        model = _MODELS / _digest_of_sources()
        if not (model / "manifest.json").exists():
            for outdated in _MODELS.glob("*/"):
                shutil.rmtree(outdated)
            build = ["model_code/build.py", "--architecture", "efficientnet_lite0"]
            subprocess.run([_PYTHON, *build, "--output", str(model)], cwd=ROOT, check=True)
        return Path(shutil.copytree(model, folder, dirs_exist_ok=True))


def _digest_of_sources() -> str:
    sources = sorted((ROOT / "model_code").rglob("*.py"))
    total = hashlib.sha256()
    for path in [*sources, *(ROOT / "requirements" / name for name in _REQUIREMENTS)]:
        total.update(f"{path.relative_to(ROOT)}\n".encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:16]
