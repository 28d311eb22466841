"""Run make in a copy of this repository where nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

MAKE = shutil.which("make") or "make"
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def make(clone: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make; nothing may be installed, no shell may have read a variable."""
    # The tests may have been started by make, whose variables would make this one its child.
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    ended = subprocess.run(
        [MAKE, "--silent", *arguments], cwd=clone, env=inherited | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not (clone / ".venv").exists()
    assert not (clone / "x").exists()
    assert "Traceback" not in ended.stderr
    return ended
