"""Batches of images: their order, which a seed decides, and the processes that decode them."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import torch
from torch.utils.data import DataLoader, Sampler

from classifier.training.cores import core_count
from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.finetune.images import Draw, LabelledImages

Batches = DataLoader[tuple[torch.Tensor, torch.Tensor]]

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where Linux keeps it
# A decoding process has these waiting (PyTorch's default), and one more on its way.
_BATCHES_PER_PROCESS: Final = 3
_USABLE_SHARE_OF_SHARED_MEMORY: Final = 0.5
_FLOAT_BYTES: Final = 4
_MAX_SEED: Final = 2**32


class BatchOrder(Sampler[list[Draw]]):
    """The batches of an epoch, from any of its steps on.

    A last batch of one image is added to the one before: batch normalisation cannot train on one.

    Several workers have the same batches, whose images they share: a step of two of them is one of
    a process that trains alone.

    Args:
        image_count: number of images.
        batch_size: of each batch, of all workers together; the last may have fewer, or some more.
        seed: of the order and of the images' random changes; `None` keeps the images' order.
        workers: each iterates over its share.
        smallest: a last batch with fewer images is added to the one before.
    """

    def __init__(
        self,
        image_count: int,
        batch_size: int,
        seed: int | None,
        workers: Workers = ALONE,
        smallest: int = 2,
    ) -> None:
        self.image_count, self._batch_size, self._seed = image_count, batch_size, seed
        self._workers, self._smallest = workers, min(smallest, batch_size)
        self._epoch = self._step = 0

    def go_to(self, epoch: int, step: int) -> None:
        """Begin the next iteration at a step of an epoch, both counted from 0."""
        self._epoch, self._step = epoch, step

    def __len__(self) -> int:
        return len(self._starts())

    def __iter__(self) -> Iterator[list[Draw]]:
        draws = self._draws()
        for start, end in self._bounds():
            own = draws[start + self._workers.rank : end : self._workers.count]
            # Every worker takes part in every step: with an image of another's, without weight.
            yield own or draws[start : start + 1]

    def weights(self) -> Iterator[float]:
        """Yield the factor of each batch's mean loss, so that the workers' mean is that of all."""
        rank, count = self._workers.rank, self._workers.count
        for start, end in self._bounds():
            yield len(range(start + rank, end, count)) * count / (end - start)

    def _bounds(self) -> list[tuple[int, int]]:
        return list(pairwise([*self._starts(), self.image_count]))[self._step :]

    def _starts(self) -> list[int]:
        starts = list(range(0, self.image_count, self._batch_size))
        if len(starts) > 1 and self.image_count - starts[-1] < self._smallest:
            del starts[-1]
        return starts

    def _draws(self) -> list[Draw]:
        if self._seed is None:
            return [Draw(index, 0) for index in range(self.image_count)]
        # A prime, so that no two epochs of nearby seeds are alike.
        seed = (self._seed * 1_000_003 + self._epoch) % _MAX_SEED
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(self.image_count, generator=generator).tolist()
        seeds = torch.randint(_MAX_SEED, (self.image_count,), generator=generator).tolist()
        return [Draw(index, seed) for index, seed in zip(order, seeds, strict=True)]


class WholeBatches(Sampler[list[Draw]]):
    """Every n-th batch of an order, for one of n workers."""

    def __init__(self, order: BatchOrder, workers: Workers) -> None:
        self._order, self._workers = order, workers

    def __len__(self) -> int:
        return len(range(self._workers.rank, len(self._order), self._workers.count))

    def __iter__(self) -> Iterator[list[Draw]]:
        return islice(self._order, self._workers.rank, None, self._workers.count)


def make_batches(
    images: LabelledImages, order: Sampler[list[Draw]], process_count: int, device: torch.device
) -> Batches:
    """Return batches of N x 3 x crop x crop with N label indices.

    Args:
        images: the data set.
        order: of its images.
        process_count: processes that decode; 0 decodes in this one.
        device: the network's. Memory is pinned for a GPU, which then copies while it computes.
    """
    return DataLoader(
        images,
        batch_sampler=order,
        num_workers=process_count,
        persistent_workers=process_count > 0,
        pin_memory=device.type == "cuda",
        worker_init_fn=_ignore_ctrl_c,
        # Of its own: an iterator draws a number at its start, which would change the other ones.
        generator=torch.Generator(),
    )


def fitting_process_count(
    wanted: int | None, *, batch_size: int, crop: int, device: torch.device, sharing: int = 1
) -> int:
    """Return how many processes can decode on this machine.

    Args:
        wanted: the most; `None` lets a GPU have one for each core, and a CPU, which has the
            cores to compute with, none.
        batch_size: images of a batch.
        crop: side of an image in pixels.
        device: that trains.
        sharing: workers that share the machine and the processes that are wanted.
    """
    cores = max(1, core_count() // sharing)
    if wanted is None:
        wanted = cores if device.type == "cuda" else 0
    elif wanted:
        wanted = max(1, wanted // sharing)
    # One more image, where the last batch would have one alone.
    bytes_per_process = _BATCHES_PER_PROCESS * (batch_size + 1) * 3 * crop**2 * _FLOAT_BYTES
    share = _USABLE_SHARE_OF_SHARED_MEMORY / sharing
    usable = share * _free_shared_memory(int(bytes_per_process * wanted / share))
    count = min(wanted, cores, int(usable // bytes_per_process))
    if count < wanted:
        print(
            f"{count} processes decode images instead of {wanted}: the machine has {cores} cores, "
            f"and {usable / 2**20:.0f} MiB of shared memory to use, of which a process takes "
            f"{bytes_per_process / 2**20:.0f}"
        )
    return count


def _free_shared_memory(otherwise: int) -> int:
    """Return the free bytes, in containers of 64 MiB by default; other systems have no limit."""
    if not _SHARED_MEMORY.is_dir():
        return otherwise
    return shutil.disk_usage(_SHARED_MEMORY).free


def _ignore_ctrl_c(_: int) -> None:
    # A terminal sends it to each process; this one is needed until the run has saved its state.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
