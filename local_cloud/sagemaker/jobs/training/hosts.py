"""One host of a training job: a process of the program, in a process group of its own."""

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from local_cloud.processes import JOB_VARIABLE, kill_processes_of_job
from local_cloud.sagemaker.jobs.errors import JobFailedError

logger = logging.getLogger(__name__)

_READER_SECONDS = 5.0
_MAX_LINE_BYTES = 256 * 1024  # the longest event of CloudWatch Logs


class Host:
    """Runs the program once.

    Args:
        name: `algo-1` and so on.
        directory: the host's folder, which no other process names in its environment.
        read_line: gets each line of the output, as soon as it is complete.
    """

    def __init__(self, name: str, directory: Path, read_line: Callable[[str], None]) -> None:
        self.name = name
        self.directory = directory
        self.last_line = ""
        self._read_line = read_line
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Start the program.

        Raises:
            JobFailedError: it could not be started.
        """
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell; the job's own program
                command,
                cwd=folder,
                env={**environment, JOB_VARIABLE: str(self.directory)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        except OSError as error:
            raise JobFailedError(
                f"InternalServerError: {command[0]} could not be started: {error}"
            ) from error
        output = self._process.stdout
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        """Whether the program runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the program runs; 128 and the signal's number if killed."""
        status = self._process.poll() if self._process else None
        return 128 - status if status is not None and status < 0 else status

    @property
    def killed_by(self) -> str | None:
        """The name of the signal that ended the program; None if it ended by itself."""
        status = (self._process.poll() if self._process else None) or 0
        if status >= 0:
            return None
        known = {each.value: each.name for each in signal.Signals}
        return known.get(-status, f"signal {-status}")

    def failure(self) -> str:
        """Return why the program failed: its failure file, else its last line of output."""
        with contextlib.suppress(OSError):
            text = (self.directory / "output" / "failure").read_text(errors="replace").strip()
            if text:
                return text
        if self.killed_by:
            return f"{self.name} was ended by {self.killed_by}"
        return self.last_line or "The program printed nothing"

    def terminate(self) -> None:
        """Send SIGTERM to the program, as SageMaker sends it to a container's first process."""
        if self._process and self.is_running:
            self._process.terminate()

    def close(self) -> None:
        """Kill what is left of the program and its children, and read the rest of the output."""
        if not self._process:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # Children with groups of their own, as torchrun gives its workers.
        kill_processes_of_job(self.directory)
        self._process.wait()
        if self._reader:
            self._reader.join(_READER_SECONDS)

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for line in iter(lambda: output.readline(_MAX_LINE_BYTES), b""):
                # A progress bar rewrites its line with carriage returns; the last state counts.
                text = line.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
                if text.strip():
                    self.last_line = text.strip()
                try:
                    self._read_line(text)
                except Exception:
                    # Else the pipe would fill and the program stand still.
                    logger.exception("a line of %s was not recorded", self.directory)


def wait_for_end(hosts: Sequence[Host], seconds: float) -> None:
    """Wait until all hosts have ended, at most for a time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(host.is_running for host in hosts):
        time.sleep(0.05)
