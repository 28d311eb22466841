"""Finds and kills the processes of a local cloud, even if process ids were reused."""

import contextlib
import os
from pathlib import Path

import psutil

from local_cloud.errors import LifecycleError
from local_cloud.place import Record

# In the environment of each process of a job: the folder of its host. A job's processes have groups
# of their own, which the cloud's does not include.
JOB_VARIABLE = "LOCAL_CLOUD_JOB"

_GRACE_SECONDS = 1.0
_KILL_TIMEOUT_SECONDS = 8.0


def is_alive(record: Record) -> bool:
    """Return whether the recorded process still runs (and not another one with its id)."""
    try:
        process = psutil.Process(record.process_id)
        same = abs(process.create_time() - record.process_started_at) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_group(process_group: int, directory: Path) -> int:
    """Kill the remaining processes in a cloud's process group; usually there are none.

    Args:
        process_group: id of the group, which is the server's process id.
        directory: the cloud's state directory.

    Returns:
        The number of processes that were killed.

    Raises:
        LifecycleError: a process did not end.
    """
    members = [
        process
        for process in psutil.process_iter()
        if _belongs_to(process, process_group, directory)
    ]
    # A decode process exits by itself shortly after its server.
    _, members = psutil.wait_procs(members, timeout=_GRACE_SECONDS)
    for process in members:
        process.kill()
    _, alive = psutil.wait_procs(members, timeout=_KILL_TIMEOUT_SECONDS)
    if alive:
        raise LifecycleError(f"These processes did not end: {[p.pid for p in alive]}")
    return len(members)


def kill_processes_of_job(directory: Path) -> None:
    """Kill every process whose job has its folder at or below a directory."""
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if Path(process.environ().get(JOB_VARIABLE, "/")).is_relative_to(directory):
                process.kill()


def _belongs_to(process: psutil.Process, process_group: int, directory: Path) -> bool:
    """Check that a process belongs to this cloud: the id of the group may have been reused."""
    try:
        if Path(process.environ().get(JOB_VARIABLE, "/")).is_relative_to(directory):
            return True
        if os.getpgid(process.pid) != process_group:
            return False
        texts = (*process.cmdline(), *process.environ().values())
    except (OSError, psutil.Error):
        return False
    return any(str(directory) in text for text in texts)
