"""The virtual environments of the peers: one for each lock, in the cache folder."""

import hashlib
import re
import sys
from pathlib import Path
from typing import Final

from bench.programs import ROOT, run_program
from bench.server import Server

_REQUIREMENTS: Final = ROOT / "bench" / "requirements"
_UV: Final = ROOT / ".venv" / "bin" / "uv"
_PIN: Final = re.compile(r"^([\w-]+)==([\w.]+)", re.MULTILINE)
_NAME: Final = re.compile(r"^([\w-]+)", re.MULTILINE)


def prepare(name: str, cache: Path) -> Path:
    """Return the folder of a peer's programs; install them where its lock has changed.

    Raises:
        BenchError: uv failed.
    """
    lock = _REQUIREMENTS / f"{name}.txt"
    environment = cache / "environments" / name
    stamp = environment / "lock.sha256"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        python = environment / "bin" / "python"
        if not python.exists():
            run_program(_UV, "venv", "--quiet", "--python", sys.executable, environment)
        run_program(_UV, "pip", "sync", "--quiet", "--python", python, lock)
        stamp.write_text(digest)
    return environment / "bin"


def describe_versions(server: Server) -> str:
    """Return the pinned versions of a server's direct requirements."""
    ours = ROOT / "model_code" / "requirements-serving.in"
    requirements = _REQUIREMENTS / f"{server.name}.in" if server.is_peer else ours
    pinned: dict[str, str] = {}
    for name, version in _PIN.findall(requirements.with_suffix(".txt").read_text()):
        # A package with markers has a line for each; the first is this Python's.
        pinned.setdefault(name, version)
    return ", ".join(f"{name} {pinned[name]}" for name in _NAME.findall(requirements.read_text()))
