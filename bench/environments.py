"""The peers' virtual environments, each of its own lock, in the cache folder."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.errors import BenchError
from bench.server import ROOT

REQUIREMENTS: Final = ROOT / "bench" / "requirements"
_UV: Final = ROOT / ".venv" / "bin" / "uv"
_PIN: Final = re.compile(r"^([\w-]+)==([\w.]+)", re.MULTILINE)
_NAME: Final = re.compile(r"^([\w-]+)", re.MULTILINE)
_LAST_CHARACTERS: Final = 600


def prepare(name: str, cache: Path) -> Path:
    """Return the folder of programs of a peer's environment, made where it is not up to date.

    Raises:
        BenchError: uv could not make it.
    """
    lock = REQUIREMENTS / f"{name}.txt"
    environment = cache / "environments" / name
    stamp = environment / "lock.sha256"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        python = environment / "bin" / "python"
        if not python.exists():
            _uv("venv", "--quiet", "--python", sys.executable, str(environment))
        _uv("pip", "sync", "--quiet", "--python", str(python), str(lock))
        stamp.write_text(digest)
    return environment / "bin"


def versions(direct: Path, lock: Path) -> str:
    """Return, as text, what a lock pins of the packages that are asked for by name."""
    pinned: dict[str, str] = {}
    for name, version in _PIN.findall(lock.read_text()):
        # A package with markers has a line for each; the first is this Python's.
        pinned.setdefault(name, version)
    names = _NAME.findall(direct.read_text())
    return ", ".join(f"{name} {pinned[name]}" for name in names)


def _uv(*arguments: str) -> None:
    ended = subprocess.run(  # noqa: S603 - the command is built here
        [str(_UV), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise BenchError(f"uv {arguments[0]} failed: {ended.stderr.strip()[-_LAST_CHARACTERS:]}")
