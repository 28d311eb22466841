"""The processes of a server: CPU time, memory, pausing, ending."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil

_MAX_ENDING_SECONDS: Final = 10.0
_MAX_ORPHAN_SECONDS: Final = 1.0


class Thread(NamedTuple):
    """A thread of a server.

    Attributes:
        is_in_root: whether it belongs to the process that was started first.
    """

    process_id: int
    thread_id: int
    is_in_root: bool


class ProcessTree:
    """The processes of the session that `root` leads, and what they started in other sessions.

    Args:
        root: process ID.
    """

    def __init__(self, root: int) -> None:
        self._root = root

    def cpu_seconds(self) -> float:
        """Return the CPU time since the start, that of children that have ended included."""
        # User and system time, of the process and of its children.
        return self._sum(lambda process: sum(process.cpu_times()[:4]))

    def thread_cpu_seconds(self) -> dict[Thread, float]:
        """Return the CPU time of each thread that runs, to the nanosecond."""
        times = {}
        for process in self._members():
            for folder in Path(f"/proc/{process.pid}/task").glob("*"):
                with suppress(FileNotFoundError, ProcessLookupError):
                    nanoseconds = int((folder / "schedstat").read_text().split()[0])
                    is_first = process.pid == self._root
                    times[Thread(process.pid, int(folder.name), is_first)] = nanoseconds / 1e9
        return times

    def memory_bytes(self) -> int:
        """Return the proportional set size: memory that processes share is counted once."""
        return int(self._sum(lambda process: process.memory_full_info().pss))

    def pause(self) -> None:
        """Stop every process: an idle server may poll, which uses CPU time of the others."""
        _send(self._members(), signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after `pause`."""
        _send(self._members(), signal.SIGCONT)

    def end(self) -> None:
        """Send SIGTERM to the root, and SIGKILL to every process that is left."""
        members = self._members()
        self.resume()
        _send({process for process in members if process.pid == self._root}, signal.SIGTERM)
        deadline = time.monotonic() + _MAX_ENDING_SECONDS
        while (alive := set(filter(_is_alive, members))) and time.monotonic() < deadline:
            if all(process.pid != self._root for process in alive):
                # No process ends what the root has left behind.
                deadline = min(deadline, time.monotonic() + _MAX_ORPHAN_SECONDS)
            time.sleep(0.05)
            members |= self._members()
        _send(alive, signal.SIGKILL)

    def _members(self) -> set[psutil.Process]:
        every = psutil.process_iter()
        found = {p for p in every if p.pid == self._root or _session(p.pid) == self._root}
        for process in list(found):
            with suppress(psutil.NoSuchProcess):
                found.update(process.children(recursive=True))
        return found

    def _sum(self, read: Callable[[psutil.Process], float]) -> float:
        total = 0.0
        for process in self._members():
            with suppress(psutil.NoSuchProcess):
                total += read(process)
        return total


def _session(process_id: int) -> int | None:
    try:
        return os.getsid(process_id)
    except ProcessLookupError:
        return None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _send(processes: set[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
