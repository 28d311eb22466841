"""A server's processes as Linux counts them: processor time, memory, stopping."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROCESSES: Final = Path("/proc")
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_ENDING_SECONDS: Final = 10.0
_ORPHAN_SECONDS: Final = 1.0


@dataclass(frozen=True)
class _Status:
    """What `/proc/<pid>/stat` says of a process.

    Attributes:
        cpu_ticks: its own and those of its children that have ended.
    """

    identifier: int
    state: str
    parent: int
    session: int
    cpu_ticks: int


def cpu_seconds(root: int) -> float:
    """Return the processor time that the tree of process `root` has used since its start."""
    return sum(status.cpu_ticks for status in _tree(root)) / _TICKS_PER_SECOND


def memory_bytes(root: int) -> int:
    """Return the tree's proportional set size: what processes share is counted once."""
    return sum(_proportional_set_size(status.identifier) for status in _tree(root))


def pause(root: int) -> None:
    """Stop every process of the tree, so that an idle server uses no processor time."""
    _send(root, signal.SIGSTOP)


def resume(root: int) -> None:
    """Let them go on."""
    _send(root, signal.SIGCONT)


def end(root: int) -> None:
    """End every process of the tree: `root` is asked to, and who is left is killed."""
    members = {status.identifier for status in _tree(root)}
    resume(root)
    _kill(root, signal.SIGTERM)
    now = time.monotonic()
    deadline = now + _ENDING_SECONDS
    while now < deadline and _alive(members):
        time.sleep(0.05)
        now = time.monotonic()
        if deadline - now > _ORPHAN_SECONDS and not _alive({root}):
            # Nobody will end those that it has left behind.
            deadline = now + _ORPHAN_SECONDS
        members |= {status.identifier for status in _tree(root)}
    for identifier in _alive(members):
        _kill(identifier, signal.SIGKILL)


def _tree(root: int) -> list[_Status]:
    """Return the processes of the session that `root` leads, and what they started elsewhere."""
    every = list(_statuses())
    members = {status.identifier for status in every if status.session == root} | {root}
    while more := {s.identifier for s in every if s.parent in members} - members:
        members |= more
    return [status for status in every if status.identifier in members]


def _statuses() -> Iterator[_Status]:
    for folder in _PROCESSES.iterdir():
        if folder.name.isdigit() and (status := _status(int(folder.name))):
            yield status


def _status(identifier: int) -> _Status | None:
    try:
        text = (_PROCESSES / str(identifier) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may hold any character; what follows is numbers, see proc(5).
    fields = text.rpartition(")")[2].split()
    return _Status(
        identifier=identifier,
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_ticks=sum(int(ticks) for ticks in fields[11:15]),
    )


def _proportional_set_size(identifier: int) -> int:
    try:
        text = (_PROCESSES / str(identifier) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    kilobytes = next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:"))
    return int(kilobytes) * 1024


def _alive(identifiers: set[int]) -> set[int]:
    return {i for i in identifiers if (status := _status(i)) and status.state not in "ZX"}


def _send(root: int, number: signal.Signals) -> None:
    for status in _tree(root):
        _kill(status.identifier, number)


def _kill(identifier: int, number: signal.Signals) -> None:
    try:
        os.kill(identifier, number)
    except ProcessLookupError:
        return
