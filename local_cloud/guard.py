"""Kills what a cloud started when the cloud's own process is killed: `python -m local_cloud.guard`.

Model servers and functions would run on until `down`. A cloud that ends in order ends them itself,
and this process too.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from local_cloud.processes import kill_processes_of_job


def start_guard(directory: Path) -> None:
    """Start the guard in this process's group.

    Does nothing if this process is not the leader of its group, as `up` starts it: the group has
    other processes then.

    Args:
        directory: the cloud's state directory, below which its jobs have their folders.
    """
    if os.getpgrp() == os.getpid():
        # The writing end is never closed, and no other process has it: the pipe ends when this
        # process does, however it ends. Linux could signal the children then, macOS cannot.
        reading, _ = os.pipe()
        command = [sys.executable, "-m", "local_cloud.guard", str(directory)]
        subprocess.Popen(command, stdin=reading)  # noqa: S603 - the command is built above
        os.close(reading)


def main() -> None:
    """Wait for the end of the cloud, then kill its jobs and its process group, with itself."""
    sys.stdin.buffer.read()
    kill_processes_of_job(Path(sys.argv[1]))
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
