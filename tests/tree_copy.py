"""Copies of parts of this repository, for tests that run its programs elsewhere."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from tools.cdk import ROOT


def copy_parts(names: Iterable[str], target: Path) -> None:
    """Copy files and folders, named relative to the repository, without byte code."""
    for name in names:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy)
