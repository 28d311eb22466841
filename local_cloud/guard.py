"""Kills what a cloud started when the cloud's own process is killed: `python -m local_cloud.guard`.

Model servers and functions would run on until `down`. A cloud that ends in order ends them itself,
and this process too.
"""

import os
import signal
import subprocess
import sys


def start_guard() -> None:
    """Start the guard in this process's group.

    Does nothing if this process is not the leader of its group, as `up` starts it: the group has
    other processes then.
    """
    if os.getpgrp() == os.getpid():
        # The writing end is never closed, and no other process has it: the pipe ends when this
        # process does, however it ends. Linux could signal the children then, macOS cannot.
        reading, _ = os.pipe()
        subprocess.Popen([sys.executable, "-m", "local_cloud.guard"], stdin=reading)
        os.close(reading)


def main() -> None:
    """Wait for the end of the cloud, then kill its process group, with this process."""
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
