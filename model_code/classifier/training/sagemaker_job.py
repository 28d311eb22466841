"""What is different inside a SageMaker training job."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from classifier.training.errors import TrainingError

# Set by AWS's toolkit, which starts train.py.
_OUTPUT_FOLDER = "SM_OUTPUT_DIR"


def is_running(environment: Mapping[str, str]) -> bool:
    """Return whether the process runs inside a training job."""
    return _OUTPUT_FOLDER in environment


def report_failure(reason: str, environment: Mapping[str, str]) -> None:
    """Write what DescribeTrainingJob then shows as FailureReason, of it the first 1024 characters.

    The toolkit leaves a file that is there as it is.
    """
    folder = Path(environment[_OUTPUT_FOLDER])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failure").write_text(reason, encoding="utf-8")


def install(requirements: Path) -> None:
    """Install what the image lacks and only some jobs need; what is there already is kept.

    Raises:
        TrainingError: pip could not install it.
    """
    print(f"installing {requirements.name}", flush=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--requirement",
        str(requirements),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or [f"it ended with {result.returncode}"]
        # The first error of several; without one of its own, the end of what was printed.
        reason = next((line for line in lines if line.startswith("ERROR:")), lines[-1])
        raise TrainingError(
            f"--quantize needs {requirements.name}, which pip cannot install: {reason}. Let the "
            "job reach a package index, or train without --quantize"
        )
    # Python remembers what was there when it last looked.
    importlib.invalidate_caches()
