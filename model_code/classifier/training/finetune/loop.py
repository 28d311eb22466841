"""One epoch: the steps of training, and the evaluation on images that are not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.finetune.batches import Batches
from classifier.training.finetune.optimisation import Optimisation


@dataclass(frozen=True)
class Evaluation:
    """Results on images that the network was not trained on; accuracies from 0 to 1."""

    loss: float
    accuracy: float
    top_5_accuracy: float


def train_steps(
    network: torch.nn.Module,
    batches: Batches,
    optimisation: Optimisation,
    device: torch.device,
    after_step: Callable[[torch.Tensor, int], None],
    weights: Iterable[float] | None = None,
) -> None:
    """Take one step of optimizer and scheduler a batch.

    On a GPU that has it, the network computes in bfloat16; loss and weights stay in float32.

    Args:
        network: in training mode.
        batches: the steps.
        optimisation: of the network's parameters.
        device: the network's.
        after_step: is called with the step's mean loss, a tensor on the device which is not
            waited for, and with the number of images.
        weights: the factor of each step's loss; 1 by default. An image of a step with 0 is not
            counted.
    """
    for (images, labels), weight in zip(batches, weights or repeat(1.0), strict=False):
        images, labels = _to_device(images, labels, device)
        with _autocast(device):
            logits = _logits(network(images))
        if logits.dtype == torch.bfloat16:
            logits = logits.float()
        loss = cross_entropy(logits, labels)
        optimisation.optimizer.zero_grad(set_to_none=True)
        (loss * weight).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimisation.optimizer.step()
        optimisation.scheduler.step()
        after_step(loss.detach(), len(labels) if weight else 0)


@torch.inference_mode()
def evaluate(
    network: torch.nn.Module, batches: Batches, device: torch.device, workers: Workers = ALONE
) -> Evaluation:
    """Return the mean loss and the accuracies over all workers' `batches`, in float32.

    Args:
        network: is put into evaluation mode.
        batches: of this worker's images.
        device: the network's.
        workers: each has other images.
    """
    network.eval()
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    right, right_in_top_5 = (torch.zeros((), dtype=torch.int64, device=device) for _ in range(2))
    image_count = 0.0
    for images, labels in batches:
        images, labels = _to_device(images, labels, device)
        logits = _logits(network(images))
        ranking = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        loss_sum += cross_entropy(logits, labels, reduction="sum")
        right += ranking[:, 0].sum()
        right_in_top_5 += ranking.sum()
        image_count += len(labels)
    sums = [loss_sum.item(), right.item(), right_in_top_5.item()]
    image_count, *sums = workers.totals([image_count, *sums])
    loss, accuracy, top_5_accuracy = (each / image_count for each in sums)
    return Evaluation(loss=loss, accuracy=accuracy, top_5_accuracy=top_5_accuracy)


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    # Emulated, it is slower than float32.
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def _to_device(
    images: torch.Tensor, labels: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    # Channels last is the layout that convolutions are fastest in, on CPU and GPU alike.
    images = images.to(device, memory_format=torch.channels_last, non_blocking=True)
    return images, labels.to(device, non_blocking=True)


def _logits(output: Any) -> torch.Tensor:
    # GoogLeNet and Inception return a tuple with auxiliary logits while training.
    logits: torch.Tensor = getattr(output, "logits", output)
    return logits
