"""Train a classifier on folders of labelled images and write it as an artifact.

The same on a laptop and as a SageMaker training job, whose environment gives the defaults.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from classifier.artifact.directory import ArtifactError
from classifier.artifact.manifest import ManifestError
from classifier.training import sagemaker_job
from classifier.training.command_line import parse_options
from classifier.training.errors import TrainingError
from classifier.training.options import TrainingOptions

MODEL_CODE: Final = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; return 1 with one line on standard error when that is impossible."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # Waiting OpenMP threads sleep instead of spinning: on two cores shared with one other busy
    # process an epoch of the digits took 13 s instead of 45, and alone no longer.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        options = parse_options(given, os.environ, __doc__)
        options.check_folders()
        if options.quantize and sagemaker_job.is_running(os.environ):
            sagemaker_job.install(MODEL_CODE / "requirements-quantize.txt")
        # Only now: torch takes seconds to import, and --help should not.
        print("loading torch", flush=True)
        from classifier.training.finetune.job import train

        train(options)
    except (TrainingError, ManifestError, ArtifactError, OSError) as error:
        # An error from a data worker arrives behind that process's traceback.
        reason = str(error).strip().splitlines()[-1].rpartition("DataError: ")[2]
        print(f"train.py: {reason}", file=sys.stderr)
        if sagemaker_job.is_running(os.environ):
            sagemaker_job.report_failure(reason, os.environ)
        return 1
    # tools/model/build.py, which packs the artifact by itself, sets the variable.
    by_hand = os.environ.get("WHIPPET_NEXT_COMMANDS") != "0"
    if by_hand and not sagemaker_job.is_running(os.environ):
        _print_next_commands(options)
    return 0


def _print_next_commands(options: TrainingOptions) -> None:
    """Print what deploys the artifact, to be run in the same folder as this was."""
    build = os.path.relpath(MODEL_CODE / "build.py")
    output = os.path.relpath(MODEL_CODE.parent / "build" / "model")
    pack = [sys.executable, build, "--trained", str(options.model_dir), "--output", output]
    make = ["make", "up"]
    if Path.cwd() != MODEL_CODE.parent:
        make += ["--directory", str(MODEL_CODE.parent)]
    print(f"\nTo deploy it:\n  {shlex.join(pack)}\n  {shlex.join(make)}")


if __name__ == "__main__":
    sys.exit(main())
