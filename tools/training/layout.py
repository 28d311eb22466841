"""Runs the scan and the split of a dataset, whose packages are in the training environment."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.cdk import ROOT
from tools.console import EXIT_INTERRUPTED, ToolError

# Written last by model_code/classifier/training/dataset/__main__.py.
_LAYOUT_FILE: Final = "layout.json"
MANIFEST_FILE: Final = "dataset.jsonl"
TRAINING_PYTHON: Final = ROOT / ".venvs" / "training" / "bin" / "python"
_MODEL_CODE: Final = ROOT / "model_code"
_CACHE: Final = ROOT / "build"
_OUTPUT: Final = ROOT / "build" / "dataset"
_MAX_NAME_LENGTH: Final = 40
_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{_MAX_NAME_LENGTH - 1}}}")


@dataclass(frozen=True)
class DatasetFile:
    """An image: its file, its place below the dataset's folder and its sha256."""

    source: Path
    place: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DatasetLayout:
    """A dataset as training jobs read it.

    Attributes:
        version: the first digits of the manifest's sha256.
        labels: sorted.
        counts: number of images by split.
        files: the images.
        manifest: the file `dataset.jsonl`.
    """

    version: str
    labels: tuple[str, ...]
    counts: dict[str, int]
    files: tuple[DatasetFile, ...]
    manifest: Path


def check_name(name: str) -> str | None:
    """Return why a text cannot name a dataset, or None."""
    if _NAME.fullmatch(name):
        return None
    return (
        f"{name!r} is not valid; expected up to {_MAX_NAME_LENGTH} lower-case letters, digits "
        "and -, such as flowers"
    )


def default_name(data: Path) -> str:
    """Return a dataset's name for the path of its images."""
    plain = re.sub(r"[^a-z0-9]+", "-", data.absolute().name.removesuffix(".zip").lower())
    return plain.strip("-")[:_MAX_NAME_LENGTH].rstrip("-") or "dataset"


def lay_out(data: Path) -> DatasetLayout:
    """Scan and split images; what is found and left out is printed.

    Args:
        data: folder or zip of images.

    Raises:
        ToolError: the images cannot be used; the reason is printed before.
        KeyboardInterrupt: the scan was interrupted.
    """
    command = [
        str(TRAINING_PYTHON), "-m", "classifier.training.dataset",
        "--data", str(data.absolute()), "--cache-dir", str(_CACHE), "--output", str(_OUTPUT),
    ]  # fmt: skip
    if not TRAINING_PYTHON.exists():
        raise ToolError(f"{TRAINING_PYTHON} is missing: run `make training-environment`.")
    status = subprocess.run(command, cwd=_MODEL_CODE, env=os.environ, check=False).returncode  # noqa: S603 - built here
    if status == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if status != 0:
        raise ToolError("Nothing was uploaded; the reason is above.")
    return _read(_OUTPUT)


def _read(folder: Path) -> DatasetLayout:
    content = json.loads((folder / _LAYOUT_FILE).read_text(encoding="ascii"))
    return DatasetLayout(
        version=content["version"],
        labels=tuple(content["labels"]),
        counts=content["counts"],
        files=tuple(
            DatasetFile(Path(each["source"]), each["place"], each["sha256"])
            for each in content["files"]
        ),
        manifest=folder / MANIFEST_FILE,
    )
