"""Build an artifact from an ONNX file. Needs no torch."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from classifier.training.dataset.labels import read_labels
from classifier.training.errors import DataError, NetworkError
from classifier.training.preprocessing_flags import PreprocessingFlags
from classifier.training.program import EXIT_INTERRUPTED
from classifier.training.publishing import Measurements, measure_and_publish

_MODEL_CODE: Final = Path(__file__).parents[3]
_PROGRAM: Final = "classifier.training.onnx_import"
_PACKAGES: Final = ("onnxruntime", "openvino")
# The largest published classifiers take a minute.
MAX_SECONDS: Final = 600.0


def build_from_onnx(
    *,
    path: Path,
    name: str | None,
    preprocessing_flags: PreprocessingFlags,
    labels_file: Path | None,
    measurements: Measurements,
    output: Path,
    max_seconds: float = MAX_SECONDS,
) -> None:
    """Rewrite the network, check that it is served as it was, publish the artifact in `output`.

    Args:
        path: of the ONNX file.
        name: of the model; `None` takes the file's.
        preprocessing_flags: what the network was trained with.
        labels_file: text, one label a line.
        measurements: to make first.
        output: folder.
        max_seconds: after which the network is given up.

    Raises:
        OptionError: a preprocessing that is missing or does not fit the network.
        DataError: labels that are missing or do not fit the network.
        NetworkError: a file or network that cannot be used.
    """
    measurements.check()
    if missing := [package for package in _PACKAGES if find_spec(package) is None]:
        raise NetworkError(
            f"--onnx needs {' and '.join(missing)}: install what requirements/training.txt pins"
        )
    if not path.is_file():
        raise NetworkError(f"{path} is no file; --onnx names a network in ONNX")
    if labels_file is None:
        raise DataError(
            f"{path} does not say what its scores stand for; give --labels, a text file of one "
            "label a line in their order"
        )
    labels = read_labels(labels_file)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".building-") as folder:
        given = {
            "path": str(path),
            "name": name or path.stem,
            "labels": labels,
            "preprocessing": dataclasses.asdict(preprocessing_flags),
            "directory": folder,
        }
        _run(given, path, max_seconds)
        measure_and_publish(Path(folder), measurements, output)


def _run(given: Mapping[str, object], path: Path, max_seconds: float) -> None:
    """Run the program that imports; what it prints is printed as it comes."""
    folders = [str(_MODEL_CODE), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))}
    sys.stdout.flush()
    try:
        ended = subprocess.run(  # noqa: S603 - this Python
            [sys.executable, "-m", _PROGRAM],
            input=json.dumps(given),
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            timeout=max_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NetworkError(
            f"{path} was not computed within {max_seconds:.0f} s; a network with a loop that does "
            "not end cannot be served"
        ) from error
    if ended.returncode == 0:
        return
    if ended.returncode == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    lines = ended.stderr.strip().splitlines()
    if ended.returncode == 1 and lines:
        raise NetworkError(lines[-1])
    raise NetworkError(
        f"{path} ended the process that computed it (status {ended.returncode}): it is damaged, or "
        "needs more memory than this machine has"
    )
