"""Processes of a cloud: told apart from others, whatever became of their ids."""

import os
from pathlib import Path

import psutil

from local_cloud.errors import LifecycleError
from local_cloud.place import Record

_KILL_TIMEOUT_SECONDS = 8.0


def is_alive(record: Record) -> bool:
    """Return whether the recorded process still runs, and is the same one."""
    try:
        process = psutil.Process(record.process_id)
        same = abs(process.create_time() - record.process_started_at) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_group(process_group: int, directory: Path) -> None:
    """Kill what is left of a cloud's process group; most often nothing is.

    Args:
        process_group: the id of the group, which is the server's process id.
        directory: the cloud's state directory.

    Raises:
        LifecycleError: a process would not end.
    """
    members = [
        process
        for process in psutil.process_iter()
        if _belongs_to(process, process_group, directory)
    ]
    for process in members:
        process.kill()
    _, alive = psutil.wait_procs(members, timeout=_KILL_TIMEOUT_SECONDS)
    if alive:
        raise LifecycleError(f"These processes would not end: {[p.pid for p in alive]}")


def _belongs_to(process: psutil.Process, process_group: int, directory: Path) -> bool:
    """Whether a process is of this cloud: the group's number alone may be another's by now."""
    try:
        if os.getpgid(process.pid) != process_group:
            return False
        texts = (*process.cmdline(), *process.environ().values())
    except (OSError, psutil.Error):
        return False
    return any(str(directory) in text for text in texts)
