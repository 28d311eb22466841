"""Where a run is, and which of its epochs was the best."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from classifier.training.finetune.loop import Evaluation
from classifier.training.weights.network import StateDict


@dataclass
class Position:
    """What a run has done; plain numbers and tensors, so that a checkpoint holds it.

    Attributes:
        epoch: number of finished epochs.
        step: number of finished steps of the epoch after these.
        loss_sum: of that epoch's images.
        seconds: that the run took, interruptions left out.
        last: the metrics of the last finished epoch.
        best_epoch: its number; 0 is the state before the first one.
        best_metrics: of the best epoch; empty before an epoch was judged.
        best_weights: of the best epoch, where they are kept.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    last: dict[str, float] = field(default_factory=dict)
    best_epoch: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    best_weights: StateDict = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return asdict(self)

    def note(self, evaluation: Evaluation, network: torch.nn.Module, *, keep: bool) -> None:
        """Note the metrics of the epoch that ended; if it is the best, keep its weights too.

        The best epoch has the highest accuracy and, among equal ones, the lowest loss.
        """
        self.last = {f"valid_{name}": round(value, 6) for name, value in vars(evaluation).items()}
        if self.best_metrics and _rank(self.last) <= _rank(self.best_metrics):
            return
        self.best_epoch, self.best_metrics = self.epoch, self.last
        if keep:
            weights = network.state_dict()
            self.best_weights = {name: w.detach().cpu().clone() for name, w in weights.items()}


def _rank(metrics: dict[str, float]) -> tuple[float, float]:
    return metrics["valid_accuracy"], -metrics["valid_loss"]
