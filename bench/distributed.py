"""`python -m bench.distributed`: fine-tuning by one process and by two hosts, images a second."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bench.programs import ROOT, BenchError, log_end
from bench.report import heading, make_parser, table
from bench.server import free_port

_PYTHON: Final = ROOT / ".venvs" / "training" / "bin" / "python"
_STEPS: Final = ROOT / "bench" / "trainers" / "steps.py"
_BATCH_SIZE: Final = 32
_CROP: Final = 128
_METHOD: Final = f"""\
Steps of fine-tuning with frozen batch normalisation and AdamW on random images of {_CROP} px in \
memory, {_BATCH_SIZE} for each process, as `train.py --mode finetune` makes them: forward, \
backward, the mean of the gradients over all workers (gloo over 127.0.0.1), the optimizer's step. \
Two hosts are two processes of this machine with one core each, which train.py's own launcher \
starts with torchrun; real hosts have a network between them. So the first ratio is what the \
exchange of gradients costs while both cores compute, and the second one whether two processes are \
faster than one that computes on both cores. Figures are medians; the sides run in turn."""


class _Side(NamedTuple):
    title: str
    hosts: int
    threads: int


_SIDES: Final = (
    _Side("one process, one core", 1, 1),
    _Side("one process, two cores", 1, 2),
    _Side("two hosts, one core each", 2, 1),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the document; return 1 after one line with the error."""
    parser = make_parser("distributed", __doc__)
    parser.add_argument("--architectures", nargs="+", default=["mobilenet_v2", "resnet50"])
    parser.add_argument("--rounds", type=int, default=3, help="of each side")
    parser.add_argument("--steps", type=int, default=10, help="of a round")
    options = parser.parse_args(arguments)
    try:
        rows = [row for name in options.architectures for row in _compare(name, options)]
    except BenchError as error:
        print(f"bench.distributed: {error}", file=sys.stderr)
        return 1
    heads = ["network", "processes", "images a second", "of one core", "of two cores"]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(
        f"{heading('Training on two hosts', 'python -m bench.distributed')}\n"
        f"{table(heads, rows)}\n{_METHOD}\n",
        encoding="utf-8",
    )
    print(table(heads, rows), end="")
    print(f"Written: {options.output}")
    return 0


def _compare(architecture: str, options: argparse.Namespace) -> list[list[str]]:
    measured: dict[_Side, list[float]] = {side: [] for side in _SIDES}
    for _ in range(options.rounds):
        for side, figures in measured.items():
            figures.append(_measure(side, architecture, options.steps))
            print(f"{architecture}, {side.title}: {figures[-1]:.1f} images a second", flush=True)
    medians = {side: statistics.median(figures) for side, figures in measured.items()}
    one_core, two_cores, _ = medians.values()
    return [
        [
            architecture,
            side.title,
            f"{median:.1f}",
            f"{median / one_core:.2f}",
            f"{median / two_cores:.2f}",
        ]
        for side, median in medians.items()
    ]


def _measure(side: _Side, architecture: str, steps: int) -> float:
    """Return the images a second of all processes of a side.

    Raises:
        BenchError: one of them failed.
    """
    names = [f"algo-{number}" for number in range(1, side.hosts + 1)]
    common = {
        "OMP_NUM_THREADS": str(side.threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "SM_HOSTS": json.dumps(names),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    started = [_start(architecture, steps, {**common, "SM_CURRENT_HOST": name}) for name in names]
    ended = [process.communicate() for process in started]
    for process, (_, errors) in zip(started, ended, strict=True):
        if process.returncode != 0:
            raise BenchError(f"{side.title}: exit status {process.returncode}: {log_end(errors)}")
    return float(ended[0][0].strip().splitlines()[-1])


def _start(architecture: str, steps: int, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    if not _PYTHON.is_file():
        raise BenchError(f"{_PYTHON} is missing; `make training-environment` installs it")
    sizes = {"batch-size": _BATCH_SIZE, "crop": _CROP, "steps": steps}
    return subprocess.Popen(  # noqa: S603 - the command is built here
        [_PYTHON, _STEPS, f"--architecture={architecture}",
         *(f"--{name}={value}" for name, value in sizes.items())],
        env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
