"""Export a published network in a process of its own, which has torch.

torch then occupies no memory while features are computed and a head is fitted, so that a head on
EfficientNet-Lite0 can be trained on a machine of 1 GiB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from classifier.artifact.manifest_errors import ManifestError
from classifier.training.errors import NetworkError, TrainingError
from classifier.training.program import EXIT_INTERRUPTED, reason_of, run_program

_PROGRAM: Final = "classifier.training.features.exporting"
_ERROR_FILE: Final = "error.txt"


def export_network(architecture: str, weights_file: Path | None, folder: Path) -> None:
    """Write the artifact of a network with its own head.

    Args:
        architecture: a classifier that has published weights.
        weights_file: a state dict; `None` takes the published one.
        folder: an empty folder.

    Raises:
        NetworkError: no such architecture, weights that cannot be had or are of another one, or a
            process that ended early.
    """
    given = {
        "architecture": architecture,
        "weights_file": None if weights_file is None else str(weights_file.absolute()),
        "folder": str(folder.absolute()),
    }
    # What a job installed is on this process's path alone.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-m", _PROGRAM],
        input=json.dumps(given),
        text=True,
        env=environment,
        check=False,
    )
    if ended.returncode == 0:
        return
    if ended.returncode == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    error = folder / _ERROR_FILE
    if error.exists():
        raise NetworkError(error.read_text(encoding="utf-8"))
    raise NetworkError(
        f"{architecture}: the process that exports it ended with status {ended.returncode}, "
        "probably for lack of memory: efficientnet_lite0 needs 700 MiB, resnet50 1.2 GiB"
    )


def main() -> int:
    """Export; if that is impossible, leave the reason in the folder and return 1."""
    from classifier.training.export import write_artifact
    from classifier.training.weights.initial import initial_network

    given = json.load(sys.stdin)
    folder = Path(given["folder"])
    weights_file = given["weights_file"] and Path(given["weights_file"])
    try:
        network, description = initial_network(given["architecture"], weights_file)
        write_artifact(network, description, folder)
    except (TrainingError, ManifestError, OSError) as error:
        (folder / _ERROR_FILE).write_text(reason_of(error), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    run_program(main)
