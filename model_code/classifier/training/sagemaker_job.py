"""What a SageMaker training job needs beyond a run on a laptop."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from classifier.training.errors import TrainingError

# Set by AWS's toolkit, which starts train.py.
_OUTPUT_FOLDER = "SM_OUTPUT_DIR"
# The image's own, which its torch and its GPU driver were built with and tested against.
_KEPT = ("torch", "torchvision", "numpy")


def is_running(environment: Mapping[str, str]) -> bool:
    """Return whether the process runs inside a training job."""
    return _OUTPUT_FOLDER in environment


def report_failure(reason: str, environment: Mapping[str, str]) -> None:
    """Write the FailureReason of DescribeTrainingJob, which shows its first 1024 characters.

    AWS's toolkit does not overwrite the file.
    """
    folder = Path(environment[_OUTPUT_FOLDER])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failure").write_text(reason, encoding="utf-8")


def install(requirements: Path) -> None:
    """Install packages that only some jobs need, without changing the image's own.

    Raises:
        TrainingError: pip could not install it, or only with another torch, torchvision or numpy.
    """
    print(f"installing {requirements.name}", flush=True)
    kept = [f"{name}=={importlib.metadata.version(name)}" for name in _KEPT]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(kept) + "\n", encoding="utf-8")
        result = _run_pip("install", "--requirement", requirements, "--constraint", constraints)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or [f"it ended with {result.returncode}"]
        # The first error of several; without one of its own, the end of what was printed.
        reason = next((line for line in lines if line.startswith("ERROR:")), lines[-1])
        raise TrainingError(
            f"--quantize needs {requirements.name}, which pip cannot install beside the image's "
            f"{', '.join(kept)}: {reason}. Let the job reach a package index, use an image whose "
            "versions fit, or train without --quantize"
        )
    # Python caches the list of installed modules.
    importlib.invalidate_caches()


def _run_pip(command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pip", command, "--quiet", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
