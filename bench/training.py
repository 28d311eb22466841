"""`make bench-training`: a head by train.py beside the usual script, start and end included."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple

from bench.programs import ROOT, BenchError, log_end, run_program
from bench.report import describe_machine, make_parser
from bench.training_document import Results, Trial, write_document

_PYTHON: Final = ROOT / ".venvs" / "training" / "bin" / "python"
_TRAINERS: Final = ROOT / "bench" / "trainers"
_TRAIN: Final = ROOT / "model_code" / "train.py"
_MAKER: Final = ROOT / "bench" / "make_inputs.py"
_EPOCHS: Final = 5


class _Run(NamedTuple):
    architecture: str
    image_count: int
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the document; return 1 after one line with the error."""
    options = _parse(arguments)
    cache: Path = options.cache
    results_file = cache / "training.json"
    try:
        if not options.render:
            _measure(options, results_file)
        write_document(_read(results_file), options.output)
    except BenchError as error:
        print(f"bench.training: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench.training: interrupted", file=sys.stderr)
        return 130
    print(f"Written: {options.output}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser("training", __doc__)
    add = parser.add_argument
    add("--data", type=Path, help="labelled images in any layout; without it some are drawn")
    add("--max-images", type=int, default=4000, help="of them, each class by its share")
    add("--seeds", type=int, default=1, help="splits to train on, by EfficientNet-Lite0")
    add("--later-images", type=int, help="of the seeds after the first; by default the same")
    add("--random-images", type=int, default=400, help="of ResNet-50 with random weights; 0: none")
    add("--cache", type=Path, default=ROOT / "build" / "bench" / "training", help="work files")
    add("--resume", action="store_true", help="only what the last run did not reach")
    add("--render", action="store_true", help="only write the document of the last run again")
    options = parser.parse_args(arguments)
    options.cache = options.cache.resolve()
    return options


def _measure(options: argparse.Namespace, results_file: Path) -> None:
    """Run what is planned; the file has the results after each seed."""
    cache: Path = options.cache
    cache.mkdir(parents=True, exist_ok=True)
    data = options.data
    if data is None:
        data = cache / "drawn"
        if not data.is_dir():
            run_program(_PYTHON, _MAKER, "--photo", ROOT / "samples" / "cat.jpg", "--kinds", data)
    trials = _read(results_file).trials if options.resume else []
    measured = {(trial.architecture, trial.seed) for trial in trials}
    for architecture, max_images, seed in _plan(options):
        if (architecture, seed) in measured:
            continue
        images = _prepare(cache, data, max_images)
        run = _Run(architecture, sum(1 for _ in images.glob("*/*")), seed)
        print(f"{architecture}: {run.image_count} images, seed {seed}", flush=True)
        # In turn, so that other work of the machine slows both alike.
        trials += [*_train_head(cache, images, run), _run_usual_script(cache, images, run)]
        results = Results(machine=describe_machine(), is_drawn=options.data is None, trials=trials)
        results_file.write_text(json.dumps(asdict(results)), encoding="utf-8")


def _plan(options: argparse.Namespace) -> list[tuple[str, int, int]]:
    """Return the architecture, the number of images and the seed of each comparison."""
    later = options.later_images or options.max_images
    plan = [
        ("efficientnet_lite0", later if seed else options.max_images, seed)
        for seed in range(options.seeds)
    ]
    if options.random_images:
        plan.append(("resnet50", options.random_images, 0))
    return plan


def _prepare(cache: Path, data: Path, max_images: int) -> Path:
    images = cache / "images"
    shutil.rmtree(images, ignore_errors=True)
    _run_trainer(
        _TRAINERS / "prepare.py", "--data", data, "--max-images", max_images, "--images", images,
        "--backbones", cache / "backbones", "--weights", cache / "random.pth",
    )  # fmt: skip
    return images


def _train_head(cache: Path, images: Path, run: _Run) -> list[Trial]:
    """Run train.py without features in its cache, and again with them."""
    shutil.rmtree(cache / "features", ignore_errors=True)
    model = cache / "model"
    trials = []
    for side in ("first", "second"):
        began, cpu_began = time.perf_counter(), _children_cpu_seconds()
        _run_trainer(
            _TRAIN, "--mode", "head", "--architecture", run.architecture, "--data", images,
            "--seed", run.seed, "--cache-dir", cache, "--model-dir", model, "--output-dir", model,
            "--report", "false",
        )  # fmt: skip
        seconds, cpu_seconds = time.perf_counter() - began, _children_cpu_seconds() - cpu_began
        metrics = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["metrics"]
        trials.append(Trial(side, *run, seconds, cpu_seconds, metrics["test_accuracy"]))
    return trials


def _run_usual_script(cache: Path, images: Path, run: _Run) -> Trial:
    weights = ["--weights", cache / "random.pth"] if run.architecture == "resnet50" else []
    began, cpu_began = time.perf_counter(), _children_cpu_seconds()
    printed = _run_trainer(
        _TRAINERS / "usual_script.py", "--architecture", run.architecture, *weights,
        "--data", images, "--epochs", _EPOCHS, "--seed", run.seed, "--output", cache / "usual.pth",
    )  # fmt: skip
    seconds, cpu_seconds = time.perf_counter() - began, _children_cpu_seconds() - cpu_began
    figures = json.loads(printed.splitlines()[-1])
    return Trial(
        "usual", *run, seconds, cpu_seconds, figures["accuracy"],
        seconds_of_later_epochs=sum(figures["epoch_seconds"][1:]),
    )  # fmt: skip


def _run_trainer(program: Path, *arguments: object) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "model_code")}
    ended = subprocess.run(  # noqa: S603 - this project's own programs
        [_PYTHON, program, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise BenchError(f"{program.name}: exit status {ended.returncode}: {log_end(ended.stderr)}")
    return ended.stdout


def _children_cpu_seconds() -> float:
    """Return the CPU time of all processes that this one started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _read(path: Path) -> Results:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BenchError(f"{path} is missing; run without --render first") from None
    content["trials"] = [Trial(**trial) for trial in content["trials"]]
    return Results(**content)


if __name__ == "__main__":
    sys.exit(main())
