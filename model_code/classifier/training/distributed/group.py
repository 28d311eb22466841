"""The processes that train together, joined by torch.distributed: gloo on CPUs, NCCL on GPUs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from classifier.training.distributed.workers import WATCHED_INPUT, Value, Workers
from classifier.training.errors import LostWorkerError

# The first one may compute alone for hours; the launchers notice a dead host much sooner.
_PATIENCE: Final = timedelta(days=1)
# What torch's backends say, in exceptions that they do not document.
_SIGNS_OF_LOSS: Final = ("connection", "broken pipe", "gloo", "nccl", "socket", "store")


class TorchWorkers(Workers):
    """This process, as one of several that torchrun started."""

    def __init__(self) -> None:
        """Join the others.

        Raises:
            LostWorkerError: one of them did not come.
        """
        local_rank = int(os.environ["LOCAL_RANK"])
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        if backend == "nccl":
            torch.cuda.set_device(local_rank)
        with self.noticing_lost():
            distributed.init_process_group(backend, timeout=_PATIENCE)
            # Numbers and objects of the host's memory take no part of the GPU's time.
            self._group = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()
        self.local_count = int(os.environ["LOCAL_WORLD_SIZE"])

    def broadcast(self, value: Value) -> Value:
        """Return what the first one gave."""
        values = [value]
        with self.noticing_lost():
            distributed.broadcast_object_list(values, src=0, group=self._group)
        return values[0]

    def gather(self, value: Value) -> list[Value]:
        """Return to the first one what each gave, by rank; to the others nothing."""
        values: list[Any] | None = [None] * self.count if self.is_first else None
        with self.noticing_lost():
            distributed.gather_object(value, values, dst=0, group=self._group)
        return values or []

    def exchange(self, value: Value) -> list[Value]:
        """Return what each gave, by rank."""
        values: list[Any] = [None] * self.count
        with self.noticing_lost():
            distributed.all_gather_object(values, value, group=self._group)
        return values

    def totals(self, values: Sequence[float]) -> list[float]:
        """Return the sums over all of them, in double precision."""
        return self._reduced(torch.tensor(values, dtype=torch.float64), distributed.ReduceOp.SUM)

    def highest(self, values: Sequence[int]) -> list[int]:
        """Return the highest values that one of them gave."""
        return self._reduced(torch.tensor(values, dtype=torch.int64), distributed.ReduceOp.MAX)

    def wait(self) -> None:
        """Wait until all are here."""
        with self.noticing_lost():
            distributed.barrier(group=self._group)

    @contextmanager
    def noticing_lost(self) -> Iterator[None]:
        """Raise LostWorkerError where torch says that a connection was lost."""
        try:
            yield
        except RuntimeError as error:
            text = str(error).lower()
            is_lost = isinstance(error, distributed.DistError)
            if not is_lost and not any(sign in text for sign in _SIGNS_OF_LOSS):
                raise
            raise LostWorkerError(_first_sentence(str(error))) from error

    def join_network(self, network: torch.nn.Module, *, frozen_statistics: bool) -> torch.nn.Module:
        """Return a network to train, whose gradients are the mean of all.

        All begin with the first one's weights. Batch normalisation that is trained takes the
        statistics of all workers' images on GPUs, and on CPUs of each worker's own. Frozen
        statistics are not sent at each step: they are the same everywhere.

        Args:
            network: the same on all workers.
            frozen_statistics: whether the statistics of batch normalisation stay as they are.
        """
        # Auxiliary heads have no loss here, and so no gradients.
        unused = any(name.lower().startswith("aux") for name, _ in network.named_children())
        with self.noticing_lost():
            return DistributedDataParallel(
                network,
                find_unused_parameters=unused,
                broadcast_buffers=not frozen_statistics,
            )

    def _reduced(self, tensor: torch.Tensor, operation: Any) -> list[Any]:
        with self.noticing_lost():
            distributed.all_reduce(tensor, operation, group=self._group)
        return tensor.tolist()


def join_workers(environment: Mapping[str, str]) -> TorchWorkers:
    """Join the others of the job; only the first one prints on standard output from now on.

    Raises:
        LostWorkerError: one of them did not come.
    """
    if WATCHED_INPUT in environment:
        threading.Thread(target=_end_with_standard_input, daemon=True).start()
    workers = TorchWorkers()
    if not workers.is_first:
        # Metrics are read from the log of all hosts.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    return workers


def leave_workers() -> None:
    """Close the connections, after all have done their part."""
    distributed.destroy_process_group()


def _first_sentence(text: str) -> str:
    return text.strip().partition("\n")[0].partition(". This is typically")[0]


def _end_with_standard_input() -> None:
    # torchrun starts workers in sessions of their own: who kills a host's processes misses them.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
