"""The packages of a training job, which installs them without the internet.

They are wheels in the stage's bucket of datasets, below wheels/<sha256 of the requirements file>/;
`complete.json` is uploaded last.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from stacks.components.training.source import WHEELS_PREFIX
from tools.cdk import ROOT
from tools.console import ToolError, step
from tools.s3_objects import Upload, existing_keys, put, stored_sha256, upload_missing
from tools.training.stage import TrainingStage

MARKER: Final = "complete.json"
REQUIREMENTS: Final = ROOT / "model_code" / "requirements-job.txt"
# Of AWS's training images: Python 3.12 on Amazon Linux 2023, x86-64. pip takes wheels for older
# systems only where they are named.
_PYTHON: Final = "3.12"
_PLATFORMS: Final = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
)


def provide_wheels(stage: TrainingStage, requirements: Path = REQUIREMENTS) -> None:
    """Download the wheels and upload those that a stage lacks, if it lacks any.

    Args:
        stage: that gets them.
        requirements: pinned packages with hashes.

    Raises:
        ToolError: a wheel cannot be downloaded.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    prefix = f"{WHEELS_PREFIX}/{digest}"
    s3, bucket = stage.client("s3"), stage.datasets_bucket
    if stored_sha256(s3, bucket, f"{prefix}/{MARKER}") is not None:
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with step(f"Download the packages of training jobs ({requirements.name})"):
            _download(requirements, folder)
        uploads = [
            Upload(file=path, key=f"{prefix}/{path.name}", sha256=_sha256(path))
            for path in sorted(folder.iterdir())
        ]
        present = existing_keys(s3, bucket, f"{prefix}/")
        with step(f"Upload {len(uploads)} packages to s3://{bucket}/{prefix}"):
            upload_missing(s3, bucket, uploads, present)
        marker = folder / MARKER
        marker.write_text(json.dumps({each.file.name: each.sha256 for each in uploads}))
        put(s3, bucket, Upload(file=marker, key=f"{prefix}/{MARKER}", sha256=_sha256(marker)))


def _download(requirements: Path, folder: Path) -> None:
    platforms = [option for name in _PLATFORMS for option in ("--platform", name)]
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary", ":all:", "--require-hashes", "--implementation", "cp",
        "--python-version", _PYTHON, *platforms, "--dest", str(folder), "-r", str(requirements),
    ]  # fmt: skip
    ended = subprocess.run(  # noqa: S603 - built here
        command, cwd=ROOT, env=os.environ, check=False, capture_output=True, encoding="utf-8",
        errors="replace", stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR:")] or lines[-3:]
        raise ToolError(
            "\n".join(errors)
            + f"\nThe packages of {requirements.name} could not be downloaded for training jobs. "
            "If the network is down, or pip needs a proxy or another index (PIP_INDEX_URL), mend "
            "that and run the same command again."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
