"""What is trained, and how fast: learning rates of backbone and head, frozen normalisation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR


@dataclass(frozen=True)
class Optimisation:
    """An optimizer and the schedule of its learning rates."""

    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the state of both."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])


def make_optimisation(
    network: torch.nn.Module,
    head: Collection[str],
    *,
    learning_rate: float,
    backbone_learning_rate: float,
    weight_decay: float,
    step_count: int,
) -> Optimisation:
    """Return AdamW with one cycle: the rates rise for three tenths of the steps, then fall.

    Parameters that do not require a gradient are left out.

    Args:
        network: its parameters.
        head: the names of those of the last layer.
        learning_rate: of the head, at its peak.
        backbone_learning_rate: of the others, at its peak.
        weight_decay: of all.
        step_count: of the cycle.
    """
    trained = {n: weights for n, weights in network.named_parameters() if weights.requires_grad}
    of_head = [weights for name, weights in trained.items() if name in head]
    others = [weights for name, weights in trained.items() if name not in head]
    rated = [(of_head, learning_rate), (others, backbone_learning_rate)]
    groups = [{"params": weights, "lr": rate} for weights, rate in rated if weights]
    optimizer = torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)
    rates = [rate for weights, rate in rated if weights]
    scheduler = OneCycleLR(optimizer, max_lr=rates, total_steps=step_count)
    return Optimisation(optimizer, scheduler)


def has_batch_norm(network: torch.nn.Module) -> bool:
    """Return whether the network normalises over the images of a batch."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def freeze_batch_norm(network: torch.nn.Module) -> None:
    """Keep the published statistics and weights of batch normalisation.

    They come from batches of hundreds of images; small ones of other images would spoil them.
    Call it after each `network.train()`.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
            module.requires_grad_(requires_grad=False)
