"""A training job of several hosts on this machine: a process group for each."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tests.model_code.conftest import MODEL_CODE


@dataclass(frozen=True)
class Ended:
    """How a host ended.

    Attributes:
        status: of train.py.
        log: what it and its workers printed.
        failure: what it left as the reason; empty without one.
        seconds: since the job began.
    """

    status: int
    log: str
    failure: str
    seconds: float


class Job:
    """A job whose hosts are running; all are killed at the end."""

    def __init__(
        self,
        folder: Path,
        flags: Sequence[object],
        *,
        channels: Mapping[str, Path] | Sequence[Mapping[str, Path]],
        host_count: int = 2,
        program: Path = MODEL_CODE / "train.py",
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start the hosts.

        Args:
            folder: for all that the job writes.
            flags: of the program.
            channels: of each host, or of all.
            host_count: number of hosts.
            program: what each runs.
            variables: of the environment.
        """
        self.folder = folder
        self.hosts = [f"algo-{number}" for number in range(1, host_count + 1)]
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        common = {
            "OMP_NUM_THREADS": "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "SM_CHECKPOINT_DIR": str(folder / "checkpoints"),
            "SM_HOSTS": json.dumps(self.hosts),
            "SM_MODEL_DIR": str(folder / "model"),
            "SM_NUM_CPUS": "0",
            "SM_NUM_GPUS": "0",
            "SM_OUTPUT_DATA_DIR": str(folder / "data"),
            "TRAINING_JOB_NAME": "trial",
        }
        self._began = time.monotonic()
        self.processes = []
        for place, host in enumerate(self.hosts):
            own = channels if isinstance(channels, Mapping) else channels[place]
            given = {f"SM_CHANNEL_{name.upper()}": str(path) for name, path in own.items()}
            (folder / host).mkdir(parents=True)
            environment = {
                **os.environ, **common, **given, **variables,
                "SM_CURRENT_HOST": host, "SM_OUTPUT_DIR": str(folder / host),
            }  # fmt: skip
            with (folder / host / "log").open("w") as log:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, program, *map(str, flags)],
                        cwd=folder,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log(self, place: int) -> str:
        """Return what a host has printed until now."""
        return (self.folder / self.hosts[place] / "log").read_text()

    def wait_until(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Wait for something that the running job does."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, [self.log(place) for place in (0, -1)]
            time.sleep(0.05)

    def kill(self, place: int) -> None:
        """Kill a host's processes at once, as where a machine has no memory left."""
        os.killpg(self.processes[place].pid, signal.SIGKILL)
        self.processes[place].wait()

    def ended(self, place: int, seconds: float = 240) -> Ended:
        """Wait for a host to end."""
        status = self.processes[place].wait(seconds)
        folder = self.folder / self.hosts[place]
        failure = folder / "failure"
        return Ended(
            status,
            (folder / "log").read_text(),
            failure.read_text() if failure.exists() else "",
            time.monotonic() - self._began,
        )
