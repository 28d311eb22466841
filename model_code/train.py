"""Train a classifier on folders of labelled images and write it as an artifact.

The same program runs on a laptop and as a SageMaker training job, whose environment variables
give the defaults.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from classifier.artifact.directory import ArtifactError
from classifier.artifact.manifest_errors import ManifestError
from classifier.training.command_line import parse_options
from classifier.training.errors import TrainingError
from classifier.training.job import environment as job
from classifier.training.job.packages import install_from_index, install_wheels
from classifier.training.options import TrainingOptions
from classifier.training.program import reason_of, run_program

MODEL_CODE: Final = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; if that is impossible, print one line on standard error and return 1."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # Waiting OpenMP threads sleep instead of spinning: on two cores, beside another busy process,
    # an epoch of the digits took 13 s instead of 45 s; on an idle machine it takes no longer.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # OpenBLAS has no such setting: with as many threads as cores, a head that is fitted in 2 s on
    # an idle machine took 90 s beside other processes.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    try:
        options = parse_options(given, os.environ, __doc__)
        options.check_folders()
        if job.is_running(os.environ):
            install_wheels(MODEL_CODE / "requirements-job.txt", os.environ)
            if options.quantize:
                install_from_index(MODEL_CODE / "requirements-quantize.txt")
        _train(options)
    except (TrainingError, ManifestError, ArtifactError, OSError) as error:
        reason = reason_of(error)
        print(f"train.py: {reason}", file=sys.stderr)
        _report_failure(reason)
        return 1
    except Exception as error:
        _report_failure(f"{type(error).__name__}: {reason_of(error)}")
        raise
    # tools/model/build.py sets this variable, because it packs the artifact itself.
    by_hand = os.environ.get("WHIPPET_NEXT_COMMANDS") != "0"
    if by_hand and not job.is_running(os.environ):
        _print_next_commands(options)
    return 0


def _report_failure(reason: str) -> None:
    if job.is_running(os.environ):
        job.report_failure(reason, os.environ)


def _train(options: TrainingOptions) -> None:
    if options.mode == "head":
        # Imported here: --help needs none of these.
        try:
            from classifier.training.head.job import train_head
        except ModuleNotFoundError as error:
            raise TrainingError(
                f"--mode head needs the package {_package(error)}, which is not installed; install "
                "it, or use --mode finetune"
            ) from error
        try:
            train_head(options)
        except KeyboardInterrupt:
            print("Stopped. What was computed is kept: the same command continues.", flush=True)
            raise
        return
    # Imported here: torch takes seconds to import, which --help should not.
    print("loading torch", flush=True)
    try:
        from classifier.training.finetune.job import train
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"--mode finetune needs the package {_package(error)}, which is not installed"
        ) from error
    train(options)


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]


def _print_next_commands(options: TrainingOptions) -> None:
    """Print the commands that deploy the artifact, to run in the current folder."""
    build = os.path.relpath(MODEL_CODE / "build.py")
    output = os.path.relpath(MODEL_CODE.parent / "build" / "model")
    pack = [sys.executable, build, "--trained", str(options.model_dir), "--output", output]
    make = ["make", "up"]
    if Path.cwd() != MODEL_CODE.parent:
        make += ["--directory", str(MODEL_CODE.parent)]
    print(f"\nTo deploy it:\n  {shlex.join(pack)}\n  {shlex.join(make)}")


if __name__ == "__main__":
    run_program(main)
