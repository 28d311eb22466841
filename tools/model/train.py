"""`make train DATA=folder`: train a classifier on images and put it where `make up` takes it.

With ON=sagemaker or ON=ec2 a stage trains it instead, and registers it.
"""

import argparse
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stacks.names import LOCKS_FOLDER
from tools.cdk import ROOT
from tools.console import EXIT_INTERRUPTED, ToolError, run_tool
from tools.make_variables import MakeParser
from tools.model.default_models import MODEL_FOLDER, read_manifest
from tools.model.train_options import (
    HERE,
    PLACES,
    VARIABLES,
    absolute_weights,
    add_network,
    add_run,
    check_network,
    check_place,
    check_run,
)
from tools.paths import short_path

_PYTHON = ROOT / ".venvs" / "training" / "bin" / "python"
_OUTPUT = ROOT / "build" / "train"
# The head's ranking of labels and the weights of fine-tuning are written by one mode alone.
_RESULTS = ("report.html", "label_suspicion.jsonl", "weights.pt")
_EPILOG = (
    "Folders that are called train, valid (val, validation) and test are the splits; without them, "
    "15 % of the images are held back for the test and 10 % for validation. Prints the accuracy on "
    "the images that were held back; build/train/report.html shows the mistakes and the labels "
    "that are probably wrong. Ctrl-C keeps what was computed, and the same command continues."
)


def main() -> int:
    """Train, pack the artifact into build/model, and print its accuracy and the next command."""
    arguments = _parse()
    if arguments.check:
        return 0
    if arguments.on != HERE:
        # Not imported above: options are checked before its packages are installed.
        from tools.training.start import start

        return start(arguments)
    return _train_here(arguments)


def _train_here(arguments: argparse.Namespace) -> int:
    trained = _OUTPUT / "model"
    options = ["--data", str(arguments.data), "--mode", arguments.mode]
    options += ["--samples", str(arguments.samples)]
    options += ["--model-dir", str(trained), "--output-dir", str(_OUTPUT)]
    options += ["--cache-dir", str(ROOT / "build")]
    if arguments.backbone:
        options += ["--architecture", arguments.backbone]
    if arguments.weights:
        options += ["--weights-file", str(arguments.weights)]
    for flag in ("quantize", "restart"):
        if getattr(arguments, flag) == "1":
            options += [f"--{flag}"]
    before = _modification_times()
    status = _run("train.py", *options)
    if status == EXIT_INTERRUPTED:
        return status
    if status != 0:
        raise ToolError(_explain_training(status))
    for path, time_ns in before.items():
        # What this run did not replace is of another model.
        if path.stat().st_mtime_ns == time_ns and path != arguments.weights:
            path.unlink()
    pack = ("--trained", str(trained), "--output", str(MODEL_FOLDER))
    status = _run("build.py", *pack)
    if status == EXIT_INTERRUPTED:
        return status
    if status != 0:
        raise ToolError(_explain_packing(status, pack))
    _print_result()
    return 0


def _explain_training(status: int) -> str:
    if status < 0:
        return (
            f"Training was ended {_signal_of(status)}. build/model is unchanged. What was computed "
            "is kept: the same command continues."
        )
    return (
        "Nothing was trained; the reason is above (make's variables are BACKBONE for "
        "--architecture, WEIGHTS for --weights-file, RESTART=1 for --restart). "
        "build/model is unchanged."
    )


def _explain_packing(status: int, pack: Sequence[str]) -> str:
    script = str(ROOT / "model_code" / "build.py")
    command = shlex.join([str(_PYTHON), script, *pack])
    reason = f"it was ended {_signal_of(status)}" if status < 0 else "the reason is above"
    return (
        f"The model is trained, but could not be packed into {short_path(MODEL_FOLDER)}: {reason}. "
        f"Without training again:\n  {command}"
    )


def _signal_of(status: int) -> str:
    """Return what ended a program whose exit status is below 0."""
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    if -status == signal.SIGKILL:
        return (
            "by SIGKILL, most likely by the system because the memory was full: end other "
            "programs, or take a machine with more memory or a smaller network"
        )
    return f"by {name}"


def _modification_times() -> dict[Path, int]:
    """Return when each result of an earlier run was written, by its path."""
    paths = [_OUTPUT / name for name in _RESULTS]
    return {path: path.stat().st_mtime_ns for path in paths if path.exists()}


def _parse() -> argparse.Namespace:
    parser = MakeParser(
        variables=VARIABLES,
        prog="python -m tools.model.train",
        description=__doc__,
        epilog=_EPILOG,
    )
    add_network(parser)
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="state dict of the backbone, instead of the "
        "published weights",
    )  # fmt: skip
    parser.add_argument(
        "--restart",
        choices=("0", "1"),
        default="0",
        help="1: of finetune, begin again instead of going on where a run was interrupted "
        "(%(default)s)",
    )
    parser.add_argument(
        "--on",
        choices=PLACES,
        default=HERE,
        help="where: this machine, a SageMaker training job or an EC2 instance of --stage; the "
        "last two register the model if it is good enough (%(default)s)",
    )
    add_run(parser)
    arguments = parser.parse()
    check_network(parser, arguments)
    arguments.weights = absolute_weights(parser, arguments.weights)
    check_place(parser, arguments)
    check_run(parser, arguments)
    return arguments


def _run(script: str, *flags: str) -> int:
    """Run a program of model_code; return its exit status, below 0 for a signal."""
    command = [str(_PYTHON), str(ROOT / "model_code" / script), *flags]
    # The next step runs here, so train.py must not print a hint for it.
    environment = os.environ | {"WHIPPET_NEXT_COMMANDS": "0"}
    with _ctrl_c_left_to_the_program():
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - built here


@contextmanager
def _ctrl_c_left_to_the_program() -> Iterator[None]:
    """Do nothing on Ctrl-C, which the terminal sends to both: the program saves, then exits."""
    # A function, not SIG_IGN, which the program would inherit.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _print_result() -> None:
    manifest = read_manifest(MODEL_FOLDER)
    described = f"{manifest.name}, {len(manifest.labels)} labels"
    print(f"\n{short_path(MODEL_FOLDER)} holds {described}.")
    for split in ("test", "valid"):
        if (accuracy := manifest.metrics.get(f"{split}_accuracy")) is not None:
            print(f"  Accuracy: {accuracy:.1%} of the {split} images, which it was not trained on")
            break
    if (_OUTPUT / "report.html").exists():
        print(f"  Report:   {short_path(_OUTPUT / 'report.html')}")
    print("  Next:     make up, or make deploy STAGE=dev for AWS")
    if (ROOT / LOCKS_FOLDER / "local.toml").exists():
        print(
            f"  Note:     {LOCKS_FOLDER}/local.toml names the model that make up deploys; "
            "make promote MODEL=build/model names this one"
        )


if __name__ == "__main__":
    run_tool(main)
