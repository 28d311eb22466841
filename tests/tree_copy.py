"""Copies of parts of this repository, for tests that run its programs elsewhere."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.byte_code import share_byte_code
from tools.cdk import ROOT

INSTALLED = (".venv", ".venvs", "node_modules")


def copy_parts(names: Iterable[str], target: Path) -> None:
    """Copy files and folders, named relative to the repository, without byte code."""
    for name in names:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy)


def share_environments(clone: Path) -> None:
    """Let make in a copy use the environments of this tree, and make it a folder for builds."""
    for name in INSTALLED:
        (clone / name).symlink_to(ROOT / name)
        variables = share_byte_code(link=clone / name, target=ROOT / name)
    os.utime(clone / "package-lock.json", (0, 0))  # make must not renew the shared CLI
    (clone / "build").mkdir()
    for prefix in variables.values():
        (clone / "build" / "byte-code").symlink_to(prefix)  # where the Makefile has it
