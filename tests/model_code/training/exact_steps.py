"""train.py with what two runs can be compared in: float64 and plain SGD, instead of AdamW.

Each worker saves its parameters after twenty steps in the folder of the artifact.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "model_code"))

import torch

import train
from classifier.training.command_line import parse_options
from classifier.training.finetune import job
from classifier.training.finetune.optimisation import Optimisation
from classifier.training.program import run_program

STEPS = 20


def in_double(*arguments: Any) -> torch.nn.Module:
    network = start_network(*arguments).double()
    network.register_forward_pre_hook(lambda _, inputs: tuple(each.double() for each in inputs))
    return network


def plain_sgd(network: torch.nn.Module, *_: Any, **__: Any) -> Optimisation:
    trained = [weights for weights in network.parameters() if weights.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-6)
    done = 0

    def after_step(*_: Any) -> None:
        nonlocal done
        done += 1
        if done == STEPS:
            rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
            options = parse_options(sys.argv[1:], {}, None)
            options.model_dir.mkdir(parents=True, exist_ok=True)
            torch.save(network.state_dict(), options.model_dir / f"{rank}.pt")

    optimizer.register_step_post_hook(after_step)
    return Optimisation(optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0))


def fit_head_badly(network: torch.nn.Module, head: list[str], *others: Any, **named: Any) -> bool:
    """Fit the head as always, and then change it so that twenty steps change every weight."""
    fitted = fit_head_first(network, head, *others, **named)
    with torch.no_grad():
        for name in head:
            network.get_parameter(name).mul_(-0.05)
    return fitted


if __name__ == "__main__":
    start_network, fit_head_first = job.start_network, job.fit_head_first
    job.fit_head_first = fit_head_badly
    job.start_network = in_double
    job.make_optimisation = plain_sgd
    job.write_files = lambda *_: SimpleNamespace(name="", identity="")  # the export takes seconds
    # What torchrun starts on each host.
    train.__file__ = __file__
    run_program(train.main)
