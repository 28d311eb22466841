"""The memory that the programs of a test need."""

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SECONDS_BETWEEN_SAMPLES: Final = 0.05


@dataclass
class Memory:
    """What programs needed.

    Attributes:
        peak_mib: the most at one time, of all of them together. Only memory that cannot be read
            from a file again counts: a machine without swap must have that much.
    """

    peak_mib: float = 0.0


@contextmanager
def measure_memory() -> Iterator[Memory]:
    """Measure the programs that this process starts meanwhile."""
    memory, ended = Memory(), threading.Event()

    def sample() -> None:
        while not ended.wait(_SECONDS_BETWEEN_SAMPLES):
            used = sum(map(_anonymous_kib, _programs())) / 1024
            memory.peak_mib = max(memory.peak_mib, used)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def _programs() -> list[str]:
    """Return the ids of this process's children, of theirs, and so on."""
    children = defaultdict[str, list[str]](list)
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and (parent := _status(process.name, "PPid")):
            children[parent].append(process.name)
    found = children[str(os.getpid())]
    for each in found:
        found += children[each]
    return found


def _anonymous_kib(process: str) -> int:
    return int(_status(process, "RssAnon").removesuffix(" kB") or 0)


def _status(process: str, key: str) -> str:
    """Return a value of a process's status; empty if it has ended."""
    try:
        lines = Path("/proc", process, "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":\t")[1].strip() for line in lines if line.startswith(key)), "")
