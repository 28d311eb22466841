"""Install what a training job needs and its image lacks, without changing the image's torch."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from classifier.training.errors import TrainingError

# The image's own, which its torch and its GPU driver were built with and tested against.
_KEPT: Final = ("torch", "torchvision", "numpy")
_WHEELS: Final = "SM_CHANNEL_WHEELS"
_PIN: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")


class _Pin(NamedTuple):
    """A package of a lock, and its lines there: the pin and the hashes of its files."""

    name: str
    version: str
    lines: str


def install_wheels(requirements: Path, environment: Mapping[str, str], target: Path) -> None:
    """Install the packages of a lock from the job's channel `wheels`, for this process and its own.

    What is installed at its pinned version stays; nothing is installed without that channel. The
    image's packages are not changed: the others go into a folder that is searched first.

    Args:
        requirements: the lock, with hashes.
        environment: of the job.
        target: an empty folder for the packages, to be kept until the job ends.

    Raises:
        TrainingError: a wheel is missing, or is not the one of the lock.
        OSError: the lock cannot be read.
    """
    channel = environment.get(_WHEELS)
    if channel is None:
        return
    missing = [pin for pin in _pins(requirements) if _installed(pin.name) != pin.version]
    if not missing:
        return
    print(f"installing {len(missing)} of the packages of {requirements.name}", flush=True)
    listed = target / requirements.name
    listed.write_text("".join(pin.lines for pin in missing), encoding="utf-8")
    offline = ("--no-index", "--no-deps", "--only-binary", ":all:", "--find-links", channel)
    folder = ("--target", str(target), "--requirement", str(listed))
    result = _run_pip(*offline, *folder, search=_wheel_of_pip())
    if result.returncode != 0:
        raise TrainingError(
            f"the packages of {requirements.name} cannot be installed from the channel wheels "
            f"({channel}): {_reason(result)}. It must hold the wheels of that file for Python "
            f"{sys.version_info.major}.{sys.version_info.minor}; missing here: "
            f"{', '.join(f'{pin.name}=={pin.version}' for pin in missing)}"
        )
    # First: a version of the image may be another one. For the processes that this one starts too.
    sys.path.insert(1, str(target))
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(target), *([inherited] if inherited else [])])
    importlib.invalidate_caches()


def install_from_index(requirements: Path) -> None:
    """Install packages that only some jobs need, from a package index.

    Raises:
        TrainingError: pip could not install it, or only with another torch, torchvision or numpy.
    """
    print(f"installing {requirements.name}", flush=True)
    kept = [f"{name}=={importlib.metadata.version(name)}" for name in _KEPT]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(kept) + "\n", encoding="utf-8")
        result = _run_pip("--requirement", str(requirements), "--constraint", str(constraints))
    if result.returncode != 0:
        raise TrainingError(
            f"--quantize needs {requirements.name}, which pip cannot install beside the image's "
            f"{', '.join(kept)}: {_reason(result)}. Let the job reach a package index, use an "
            "image whose versions fit, or train without --quantize"
        )
    # Python caches the list of installed modules.
    importlib.invalidate_caches()


def _pins(requirements: Path) -> list[_Pin]:
    text = requirements.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#")]
    pins: list[_Pin] = []
    for line in lines:
        if found := _PIN.match(line):
            pins.append(_Pin(found["name"], found["version"], line))
        elif pins and line.strip():
            pins[-1] = pins[-1]._replace(lines=pins[-1].lines + line)
    return pins


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _reason(result: subprocess.CompletedProcess[str]) -> str:
    lines = result.stderr.strip().splitlines() or [f"it ended with {result.returncode}"]
    # The first error of several; without one of its own, the end of what was printed.
    return next((line for line in lines if line.startswith("ERROR:")), lines[-1]).rstrip(".")


def _run_pip(*arguments: str, search: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run `pip install`; `search` is where Python looks for pip last."""
    inherited = os.environ.get("PYTHONPATH")
    paths = [*([inherited] if inherited else []), *search]
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pip", "install", "--quiet", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


def _wheel_of_pip() -> list[str]:
    """Return the wheel of pip that Python has with it: environments made by uv have no pip."""
    ensurepip = importlib.util.find_spec("ensurepip")
    # Debian's Python has its wheels in a folder of their own.
    folders = [sysconfig.get_config_var("WHEEL_PKG_DIR")]
    if ensurepip is not None and ensurepip.origin is not None:
        folders.append(str(Path(ensurepip.origin).parent / "_bundled"))
    wheels = [path for folder in folders if folder for path in Path(folder).glob("pip-*.whl")]
    return [str(path) for path in wheels[:1]]
