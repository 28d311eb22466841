"""The Python that trains, and its packages."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

from trainer import aws
from trainer.description import Stage
from trainer.errors import JobError

# Of AWS's Deep Learning AMIs with PyTorch.
_IMAGE_PYTHON = Path("/opt/pytorch/bin/python")
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# The wheels in S3 are for it.
_WHEELS_ARE_FOR = "3.12 x86_64"
_REQUIREMENTS = "requirements-job.txt"
# Uploaded after the last wheel.
_COMPLETE = "complete.json"

Write = Callable[[str], None]


def prepare_python(
    stage: Stage, source: Path, folder: Path, write: Write
) -> tuple[Path, Path | None]:
    """Install what train.py needs.

    Args:
        stage: what every job shares.
        source: folder of train.py and its `requirements-job.txt`.
        folder: for what is installed or downloaded.
        write: takes the lines of the installers.

    Returns:
        The interpreter, and the folder of the wheels that train.py installs itself, if it does.

    Raises:
        JobError: a package cannot be installed.
    """
    python = _IMAGE_PYTHON
    if not python.exists():
        _run(write, "dnf", "install", "--quiet", "--assumeyes", "python3.12")
        _run(write, "python3.12", "-m", "venv", str(folder / "python"))
        python = folder / "python" / "bin" / "python"
        index = ("--extra-index-url", _CPU_INDEX)
        _run(write, str(python), "-m", "pip", "install", "--quiet", *index, *stage.torch_packages)
    requirements = source / _REQUIREMENTS
    if not requirements.exists():
        return python, None
    about = "import sys, platform; print('%d.%d' % sys.version_info[:2], platform.machine())"
    if _output(str(python), "-c", about) == _WHEELS_ARE_FOR:
        wheels = folder / "wheels"
        wheels.mkdir()
        digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
        aws.download(f"s3://{stage.datasets_bucket}/wheels/{digest}/", wheels)
        if (wheels / _COMPLETE).exists():
            return python, wheels
    # No wheels for this machine, or none uploaded: from the package index.
    options = ("--quiet", "--no-deps", "--requirement", str(requirements))
    _run(write, str(python), "-m", "pip", "install", *options)
    return python, None


def _run(write: Write, *command: str) -> None:
    write(f"$ {' '.join(command)}")
    try:
        ended = subprocess.run(  # noqa: S603 - no shell, and no value of the job's caller
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise JobError(f"{command[0]} does not start: {error}") from error
    lines = ended.stdout.splitlines()
    for line in lines:
        write(line)
    if ended.returncode != 0:
        last = next((line for line in reversed(lines) if line.strip()), "no output")
        raise JobError(f"{' '.join(command[:4])} failed: {last}")


def _output(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - as above
    return ended.stdout.strip()
