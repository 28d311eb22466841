"""The processes that train together, one a GPU or one a host. Without torch: here there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeVar

Value = TypeVar("Value")
# Set by the launcher: standard input ends when the launcher ends, however it does.
WATCHED_INPUT: Final = "WHIPPET_ENDS_WITH_STANDARD_INPUT"


class Workers:
    """A process that trains alone; where there are several, `distributed.group` has the others.

    Each method is called by all of them, in the same order: it waits for the others.

    Attributes:
        rank: which of them this process is; the first one, 0, writes all files.
        count: how many there are.
        local_count: how many of them share this machine's cores.
    """

    rank = 0
    count = 1
    local_count = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes what results."""
        return self.rank == 0

    def broadcast(self, value: Value) -> Value:
        """Return what the first one gave."""
        return value

    def gather(self, value: Value) -> list[Value]:
        """Return to the first one what each gave, by rank; to the others nothing."""
        return [value]

    def exchange(self, value: Value) -> list[Value]:
        """Return what each gave, by rank."""
        return [value]

    def totals(self, values: Sequence[float]) -> list[float]:
        """Return the sums over all of them, in double precision."""
        return list(values)

    def highest(self, values: Sequence[int]) -> list[int]:
        """Return the highest values that one of them gave."""
        return list(values)

    def wait(self) -> None:
        """Wait until all are here."""

    def noticing_lost(self) -> AbstractContextManager[Any]:
        """Tell a connection that was lost inside from other errors."""
        return nullcontext()

    def join_network(
        self,
        network: Any,
        *,
        frozen_statistics: bool,  # noqa: ARG002 - of several workers
    ) -> Any:
        """Return a network to train, whose gradients are the mean of all.

        Args:
            network: the same on all workers.
            frozen_statistics: whether the statistics of batch normalisation stay as they are.
        """
        return network


ALONE: Final = Workers()


def is_worker(environment: Mapping[str, str]) -> bool:
    """Return whether torchrun started this process, as one of several."""
    return "RANK" in environment and "WORLD_SIZE" in environment
