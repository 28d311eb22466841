"""Training and evaluation, one epoch at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

Batches = DataLoader[tuple[torch.Tensor, torch.Tensor]]
SECONDS_BETWEEN_PROGRESS_LINES = 10


@dataclass(frozen=True)
class Evaluation:
    """Results on images that the network was not trained on; accuracies from 0 to 1."""

    loss: float
    accuracy: float
    top_5_accuracy: float


def make_batches(
    images: torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]],
    *,
    batch_size: int,
    worker_count: int,
    shuffle_seed: int | None,
) -> Batches:
    """Return batches of N x 3 x crop x crop with N label indices.

    Args:
        images: the data set.
        batch_size: N, less in the last batch.
        worker_count: processes that decode; 0 decodes in this one.
        shuffle_seed: determines the order; `None` keeps the data set's.
    """
    shuffle = shuffle_seed is not None
    return DataLoader(
        images,
        batch_size=batch_size,
        shuffle=shuffle,
        num_workers=worker_count,
        persistent_workers=worker_count > 0,
        generator=torch.Generator().manual_seed(shuffle_seed or 0),
    )


def train_one_epoch(
    network: torch.nn.Module,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    device: torch.device,
) -> float:
    """Take one step of optimizer and scheduler a batch; return the mean loss."""
    network.train()
    loss_sum, image_count = 0.0, 0
    last_line = time.monotonic()
    for number, (images, labels) in enumerate(batches, start=1):
        images, labels = _to_device(images, labels, device)
        loss = cross_entropy(_logits(network(images)), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        scheduler.step()
        loss_sum += loss.item() * len(labels)
        image_count += len(labels)
        if time.monotonic() - last_line > SECONDS_BETWEEN_PROGRESS_LINES:
            last_line = time.monotonic()
            print(f"  batch {number} of {len(batches)}, loss {loss.item():.4f}", flush=True)
    return loss_sum / image_count


@torch.inference_mode()
def evaluate(network: torch.nn.Module, batches: Batches, device: torch.device) -> Evaluation:
    """Return the mean loss and the accuracies over `batches`."""
    network.eval()
    loss_sum, right, right_in_top_5, image_count = 0.0, 0, 0, 0
    for images, labels in batches:
        images, labels = _to_device(images, labels, device)
        logits = _logits(network(images))
        ranking = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        loss_sum += cross_entropy(logits, labels, reduction="sum").item()
        right += int(ranking[:, 0].sum())
        right_in_top_5 += int(ranking.sum())
        image_count += len(labels)
    return Evaluation(
        loss=loss_sum / image_count,
        accuracy=right / image_count,
        top_5_accuracy=right_in_top_5 / image_count,
    )


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
