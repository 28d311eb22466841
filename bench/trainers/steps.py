"""Steps of fine-tuning on random images, as train.py makes them; prints images a second.

Alone, or on the hosts of the environment: then each worker has `--batch-size` images.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

_MODEL_CODE = Path(__file__).parents[2] / "model_code"
sys.path.insert(0, str(_MODEL_CODE))

import torch  # noqa: E402 - after the path of the code that is measured

from classifier.training.distributed.hosts import read_hosts  # noqa: E402
from classifier.training.distributed.launch import run_workers  # noqa: E402
from classifier.training.distributed.workers import ALONE, Workers, is_worker  # noqa: E402
from classifier.training.finetune.batches import Batches  # noqa: E402
from classifier.training.finetune.loop import train_steps  # noqa: E402
from classifier.training.finetune.optimisation import (  # noqa: E402
    freeze_batch_norm,
    make_optimisation,
)
from classifier.training.program import run_program  # noqa: E402
from classifier.training.weights.network import build_network, head_names  # noqa: E402

_CLASSES = 10
_WARM_UP_STEPS = 2


def main() -> int:
    """Measure, alone or with other workers; the first one prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", default="mobilenet_v2")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    hosts = read_hosts(os.environ)
    if is_worker(os.environ):
        from classifier.training.distributed.group import join_workers, leave_workers

        workers = join_workers(os.environ)
        _measure(options, workers)
        leave_workers()
    elif hosts.worker_count > 1:
        run_workers(Path(__file__), sys.argv[1:], hosts, None)
    else:
        _measure(options, ALONE)
    return 0


def _measure(options: argparse.Namespace, workers: Workers) -> None:
    torch.manual_seed(0)
    network = build_network(options.architecture, _CLASSES, options.crop)
    network = network.to(memory_format=torch.channels_last).train()
    freeze_batch_norm(network)
    optimisation = make_optimisation(
        network,
        head_names(options.architecture, options.crop),
        learning_rate=1e-3,
        backbone_learning_rate=1e-4,
        weight_decay=0.05,
        step_count=options.steps + _WARM_UP_STEPS,
    )
    joined = workers.join_network(network, frozen_statistics=True)
    images = torch.randn(options.batch_size, 3, options.crop, options.crop)
    batch = (images, torch.arange(options.batch_size) % _CLASSES)

    def run(steps: int) -> None:
        batches = cast("Batches", [batch] * steps)
        train_steps(joined, batches, optimisation, torch.device("cpu"), _ignore)

    run(_WARM_UP_STEPS)
    workers.wait()
    began = time.perf_counter()
    run(options.steps)
    workers.wait()
    seconds = time.perf_counter() - began
    print(workers.count * options.batch_size * options.steps / seconds)


def _ignore(*_: Any) -> None:
    pass


if __name__ == "__main__":
    run_program(main)
