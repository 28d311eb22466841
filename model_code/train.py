"""Train a classifier on folders of labelled images and write it as an artifact.

The same program runs on a laptop and as a SageMaker training job, whose environment variables
give the defaults.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from classifier.artifact.directory import ArtifactError
from classifier.artifact.manifest_errors import ManifestError
from classifier.training.command_line import parse_options
from classifier.training.distributed.hosts import read_hosts
from classifier.training.distributed.launch import run_workers
from classifier.training.distributed.workers import ALONE, Workers, is_worker
from classifier.training.errors import LostWorkerError, TrainingError
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
        with tempfile.TemporaryDirectory(prefix="packages-") as packages:
            options = _run(given, Path(packages))
    except LostWorkerError as error:
        # Another worker of this host may have said why already.
        print(f"train.py: {reason_of(error)}", file=sys.stderr)
        if job.is_running(os.environ) and not job.failure_file(os.environ).exists():
            _report_failure(reason_of(error))
        return 1
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


def _run(given: list[str], packages: Path) -> TrainingOptions:
    """Train alone, as one of several workers, or start those of this host; return the options."""
    options = parse_options(given, os.environ, __doc__)
    options.check_folders()
    if job.is_running(os.environ):
        install_wheels(MODEL_CODE / "requirements-job.txt", os.environ, packages)
        if options.quantize and not is_worker(os.environ):
            install_from_index(MODEL_CODE / "requirements-quantize.txt")
    hosts = read_hosts(os.environ)
    if is_worker(os.environ):
        _train_as_worker(options)
    elif hosts.worker_count > 1:
        failure_file = job.failure_file(os.environ) if job.is_running(os.environ) else None
        run_workers(Path(__file__), given, hosts, failure_file)
    else:
        _train(options, ALONE)
    return options


def _report_failure(reason: str) -> None:
    if job.is_running(os.environ):
        job.report_failure(reason, os.environ)


def _train_as_worker(options: TrainingOptions) -> None:
    # Imported here: a process that trains a head alone does without torch.
    from classifier.training.distributed.group import join_workers, leave_workers

    workers = join_workers(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        if not workers.is_first:
            # Nothing of it is kept: several workers may run on one machine, in one folder.
            options = replace(options, cache_dir=Path(folder))
        _train(options, workers)
    # The first one writes for a while; should it fail, so does the job.
    workers.wait()
    leave_workers()


def _train(options: TrainingOptions, workers: Workers) -> None:
    if options.mode == "head":
        # Imported here: --help needs none of these.
        try:
            from classifier.training.head.job import help_train_head, train_head
        except ModuleNotFoundError as error:
            raise TrainingError(
                f"--mode head needs the package {_package(error)}, which is not installed; install "
                "it, or use --mode finetune"
            ) from error
        try:
            if workers.is_first:
                train_head(options, workers)
            else:
                help_train_head(options, workers)
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
    train(options, workers)


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
