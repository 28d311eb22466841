"""The epochs of a run: each is trained and judged; an interrupted run goes on where it was."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from classifier.training.errors import TrainingError
from classifier.training.finetune.batches import Batches, BatchOrder
from classifier.training.finetune.checkpoint import (
    read_checkpoint,
    save_checkpoint,
    set_random_states,
)
from classifier.training.finetune.interruption import Interruption
from classifier.training.finetune.loop import evaluate, train_steps
from classifier.training.finetune.optimisation import Optimisation, freeze_batch_norm
from classifier.training.finetune.position import Position
from classifier.training.progress import Progress

MIN_SECONDS_BETWEEN_CHECKPOINTS: Final = 60.0
# Of the time of a run: a checkpoint of a large network on a slow disk is written less often.
MAX_SHARE_FOR_CHECKPOINTS: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a run trains.

    Attributes:
        epochs: at most.
        patience: epochs after the best one that end the run; 0 trains all of them.
        keep_best: whether the network is that of the best epoch by the validation images at the
            end, or that of the last one.
        freeze_batch_norm: whether batch normalisation stays as the published weights have it.
        checkpoint: file.
        description: what decides the result; a checkpoint with another one is refused.
    """

    epochs: int
    patience: int
    keep_best: bool
    freeze_batch_norm: bool
    checkpoint: Path
    description: Mapping[str, str]


class Run:
    """Trains a network, from the beginning or from a checkpoint.

    Args:
        network: on its device.
        optimisation: of its parameters.
        train: the batches to train on, in the order of `order`.
        order: of the training images.
        valid: the batches to judge each epoch by.
        plan: how.
        device: the network's.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        optimisation: Optimisation,
        train: Batches,
        order: BatchOrder,
        valid: Batches,
        plan: Plan,
        device: torch.device,
    ) -> None:
        self._network, self._optimisation = network, optimisation
        self._train, self._order, self._valid = train, order, valid
        self._plan, self._device = plan, device
        self._position = Position()
        self._loss_sum = self._sum_of(0.0)
        self._interruption = Interruption()
        self._began = self._saved = time.monotonic()
        self._seconds_of_save = 0.0

    def resume(self) -> bool:
        """Continue from the checkpoint; return whether there is one.

        Raises:
            TrainingError: it is damaged, or of other options or images.
        """
        state = read_checkpoint(self._plan.checkpoint, self._plan.description)
        if state is None:
            return False
        self._network.load_state_dict(state["network"])
        self._optimisation.load_state_dict(state["optimisation"])
        self._position = Position(**state["position"])
        set_random_states(state["random"])
        self._began = time.monotonic() - self._position.seconds
        print(f"Resumed {self._where()}, from {self._plan.checkpoint}", flush=True)
        return True

    def judge_start(self) -> None:
        """Judge the network before the first epoch, which may stay the best one, and save it.

        Raises:
            TrainingError: the checkpoint cannot be written.
        """
        self._judge({})
        # The head took a while to fit; and a full disk is told before the hours of the epochs.
        self._save()

    def finish(self) -> dict[str, float]:
        """Train what is left; return the metrics of the epoch whose weights the network then has.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM; the state is saved.
            TrainingError: the loss is no number any more.
        """
        position, plan = self._position, self._plan
        self._saved = time.monotonic()
        self._loss_sum = self._sum_of(position.loss_sum)
        total = (plan.epochs - position.epoch) * len(self._order) - position.step
        with self._interruption:
            progress = Progress(f"steps (at most {plan.epochs} epochs)", total)
            while position.epoch < plan.epochs and not self._has_stopped():
                self._train_epoch(progress, total)
            progress.end()
        if not plan.keep_best:
            return {"epochs": position.epoch, **position.last}
        self._network.load_state_dict(position.best_weights)
        best = {"best_epoch": position.best_epoch, **position.best_metrics}
        print(f"best_epoch={position.best_epoch} {metric_line(position.best_metrics)}", flush=True)
        return {"epochs": position.epoch, **best}

    def _has_stopped(self) -> bool:
        position, patience = self._position, self._plan.patience
        if patience == 0 or position.epoch - position.best_epoch < patience:
            return False
        print(f"No better epoch in {patience} (--patience): training ends early", flush=True)
        return True

    def _train_epoch(self, progress: Progress, total: int) -> None:
        position = self._position

        def after_step(loss: torch.Tensor, image_count: int) -> None:
            self._loss_sum += loss.double() * image_count
            position.step += 1
            left = (self._plan.epochs - position.epoch) * len(self._order) - position.step
            progress.update(total - left)
            self._save_if_due()
            self._stop_if_requested()

        self._order.go_to(position.epoch, position.step)
        self._network.train()
        if self._plan.freeze_batch_norm:
            freeze_batch_norm(self._network)
        train_steps(self._network, self._train, self._optimisation, self._device, after_step)
        progress.end()
        train_loss = self._loss_sum.item() / self._order.image_count
        if not math.isfinite(train_loss):
            raise TrainingError(
                f"the loss of epoch {position.epoch + 1} is {train_loss}: train with a lower "
                "--learning-rate, and with --restart"
            )
        position.epoch += 1
        self._judge({"train_loss": train_loss})
        position.step, self._loss_sum = 0, self._sum_of(0.0)
        self._save_if_due()
        self._stop_if_requested()

    def _judge(self, values: dict[str, float]) -> None:
        evaluation = evaluate(self._network, self._valid, self._device)
        self._position.note(evaluation, self._network, keep=self._plan.keep_best)
        line = metric_line({**values, **self._position.last})
        seconds = time.monotonic() - self._began
        print(f"epoch={self._position.epoch} {line} seconds={seconds:.0f}", flush=True)

    def _save_if_due(self) -> None:
        pause = max(
            MIN_SECONDS_BETWEEN_CHECKPOINTS, self._seconds_of_save / MAX_SHARE_FOR_CHECKPOINTS
        )
        if time.monotonic() - self._saved >= pause:
            self._save()

    def _save(self) -> None:
        began = time.monotonic()
        self._position.loss_sum = self._loss_sum.item()
        self._position.seconds = began - self._began
        state = {
            "network": self._network.state_dict(),
            "optimisation": self._optimisation.state_dict(),
            "position": self._position.state_dict(),
        }
        save_checkpoint(self._plan.checkpoint, self._plan.description, state)
        self._saved = time.monotonic()
        self._seconds_of_save = self._saved - began

    def _stop_if_requested(self) -> None:
        if not self._interruption.requested:
            return
        self._save()
        print(
            f"Stopped {self._where()}. The same command goes on from {self._plan.checkpoint}; "
            "with --restart it begins again",
            flush=True,
        )
        raise KeyboardInterrupt

    def _where(self) -> str:
        steps = f"{self._position.step} of {len(self._order)} steps"
        return f"in epoch {self._position.epoch + 1} after {steps}"

    def _sum_of(self, start: float) -> torch.Tensor:
        # In double precision, on the device: a step does not wait for its loss.
        return torch.tensor(start, dtype=torch.float64, device=self._device)


def metric_line(values: Mapping[str, float]) -> str:
    """Return metrics as a training job's regular expressions read them."""
    return " ".join(f"{name}={value:.4f}" for name, value in values.items())
