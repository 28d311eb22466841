"""train.py with what two runs can be compared in: float64 and plain SGD, instead of AdamW.

Each worker saves its parameters after twenty steps in the folder of the artifact. A checkpoint is
written after each step, and no artifact at the end.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[3] / "model_code"))

import torch

import train
from classifier.training.finetune import job, run
from classifier.training.finetune.head_first import fit_head_first
from classifier.training.finetune.optimisation import Optimisation
from classifier.training.finetune.start import start_network
from classifier.training.program import run_program

STEPS = 20
# Where the parameters go, and how long a step and the artifact take.
FOLDER, SECONDS_A_STEP, SECONDS_TO_WRITE = (
    "TRIAL_FOLDER",
    "TRIAL_SECONDS_A_STEP",
    "TRIAL_SECONDS_TO_WRITE",
)


def in_double(*arguments: Any) -> torch.nn.Module:
    network = start_network(*arguments).double()
    network.register_forward_pre_hook(lambda _, inputs: tuple(each.double() for each in inputs))
    return network


def plain_sgd(network: torch.nn.Module, *_: Any, **__: Any) -> Optimisation:
    trained = [weights for weights in network.parameters() if weights.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-6)
    # It counts the steps, those before an interruption too.
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)

    def after_step(*_: Any) -> None:
        time.sleep(float(os.environ.get(SECONDS_A_STEP, "0")))
        if scheduler.last_epoch + 1 == STEPS:
            rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
            torch.save(network.state_dict(), Path(os.environ[FOLDER], f"{rank}.pt"))

    optimizer.register_step_post_hook(after_step)
    return Optimisation(optimizer, scheduler)


def fit_head_badly(network: torch.nn.Module, head: list[str], *others: Any, **named: Any) -> bool:
    """Fit the head as always, and then change it so that twenty steps change every weight."""
    fitted = fit_head_first(network, head, *others, **named)
    with torch.no_grad():
        for name in head:
            network.get_parameter(name).mul_(-0.05)
    return fitted


def write_nothing(*_: Any) -> Any:
    print("writing", flush=True)
    time.sleep(float(os.environ.get(SECONDS_TO_WRITE, "0")))
    return SimpleNamespace(name="", identity="")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run train.py so; torchrun starts this program on each host, instead of train.py."""
    with (
        patch.object(job, "start_network", in_double),
        patch.object(job, "make_optimisation", plain_sgd),
        patch.object(job, "fit_head_first", fit_head_badly),
        patch.object(job, "write_files", write_nothing),
        patch.object(run, "MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.0),
        patch.object(run, "MAX_SHARE_FOR_CHECKPOINTS", float("inf")),
        patch.object(train, "__file__", __file__),
    ):
        return train.main(arguments)


if __name__ == "__main__":
    run_program(main)
