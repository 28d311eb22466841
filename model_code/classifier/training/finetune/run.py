"""The epochs of a run: each is trained and judged; an interrupted run goes on where it was."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import torch

from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.errors import TrainingError
from classifier.training.finetune.batches import Batches, BatchOrder
from classifier.training.finetune.checkpoint import (
    random_states,
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
        workers: each trains on its share of each batch; the first one keeps the state.
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
        workers: Workers = ALONE,
    ) -> None:
        self._network, self._optimisation = network, optimisation
        self._train, self._order, self._valid = train, order, valid
        self._plan, self._device, self._workers = plan, device, workers
        self._joined_network = workers.join_network(
            network, frozen_statistics=plan.freeze_batch_norm
        )
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
        rank, found = self._workers.rank, None
        if self._workers.is_first:
            found = read_checkpoint(self._plan.checkpoint, self._plan.description)
        state = self._workers.broadcast(found)
        if state is None:
            return False
        self._network.load_state_dict(state["network"])
        self._optimisation.load_state_dict(state["optimisation"])
        self._position = Position(**state["position"])
        set_random_states(state["random_of_others"][rank - 1] if rank else state["random"])
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
        # The other workers' part of it is in it.
        self._loss_sum = self._sum_of(position.loss_sum if self._workers.is_first else 0.0)
        total = (plan.epochs - position.epoch) * len(self._order) - position.step
        with self._interruption:
            progress = Progress(f"steps (at most {plan.epochs} epochs)", total)
            while position.epoch < plan.epochs and not self._has_stopped():
                self._train_epoch(progress, total)
            progress.end()
        if not plan.keep_best or not self._workers.is_first:
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
            self._save_or_stop()

        self._order.go_to(position.epoch, position.step)
        self._network.train()
        if self._plan.freeze_batch_norm:
            freeze_batch_norm(self._network)
        with self._workers.noticing_lost():
            train_steps(
                self._joined_network,
                self._train,
                self._optimisation,
                self._device,
                after_step,
                self._order.weights(),
            )
        progress.end()
        (loss_sum,) = self._workers.totals([self._loss_sum.item()])
        train_loss = loss_sum / self._order.image_count
        if not math.isfinite(train_loss):
            raise TrainingError(
                f"the loss of epoch {position.epoch + 1} is {train_loss}: train with a lower "
                "--learning-rate, and with --restart"
            )
        position.epoch += 1
        self._judge({"train_loss": train_loss})
        position.step, self._loss_sum = 0, self._sum_of(0.0)
        self._save_or_stop()

    def _judge(self, values: dict[str, float]) -> None:
        evaluation = evaluate(self._network, self._valid, self._device, self._workers)
        keep = self._plan.keep_best and self._workers.is_first
        self._position.note(evaluation, self._network, keep=keep)
        line = metric_line({**values, **self._position.last})
        seconds = time.monotonic() - self._began
        print(f"epoch={self._position.epoch} {line} seconds={seconds:.0f}", flush=True)

    def _save_or_stop(self) -> None:
        """Save where it is time for it or the run is to stop: all workers at the same step."""
        is_due, is_requested = self._workers.highest(
            [self._workers.is_first and self._is_due(), self._interruption.requested]
        )
        if is_due or is_requested:
            self._save()
        if is_requested:
            self._stop()

    def _is_due(self) -> bool:
        pause = max(
            MIN_SECONDS_BETWEEN_CHECKPOINTS, self._seconds_of_save / MAX_SHARE_FOR_CHECKPOINTS
        )
        return time.monotonic() - self._saved >= pause

    def _save(self) -> None:
        began = time.monotonic()
        (loss_sum,) = self._workers.totals([self._loss_sum.item()])
        states = self._workers.gather(random_states())
        if not self._workers.is_first:
            return
        self._position.loss_sum = loss_sum
        self._position.seconds = began - self._began
        state = {
            "random_of_others": states[1:],
            "network": self._network.state_dict(),
            "optimisation": self._optimisation.state_dict(),
            "position": self._position.state_dict(),
        }
        save_checkpoint(self._plan.checkpoint, self._plan.description, state)
        self._saved = time.monotonic()
        self._seconds_of_save = self._saved - began

    def _stop(self) -> NoReturn:
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
