"""An instance of an endpoint: a process of the model server."""

import logging
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from local_cloud.environment import kept_environment
from local_cloud.ports import usable_ports
from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.hosting.model_server_client import (
    PING_TIMEOUT_SECONDS,
    ModelServerClient,
)

logger = logging.getLogger(__name__)

# docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
TERMINATION_GRACE_SECONDS = 30.0
_START_POLL_SECONDS = 0.1
_PORT_ATTEMPTS = 3
_PORT_TAKEN = "cannot listen on"  # in serve.py's message
_WATCH_POLL_SECONDS = 0.25
_PING_EVERY_SECONDS = 5.0
_FAILED_PINGS_UNTIL_RESTART = 3
_MAX_RESTART_DELAY_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class InstanceSpecification:
    """How to start an instance.

    Attributes:
        python: interpreter of the serving environment.
        server: the serve.py to run.
        model_directory: the unpacked artifact.
        environment: the model container's own variables.
        startup_timeout_seconds: maximum time until the first 200 response to `/ping`.
    """

    python: Path
    server: Path
    model_directory: Path
    environment: dict[str, str]
    startup_timeout_seconds: float


class Instance:
    """Runs one model server, and restarts it when it ends or is unhealthy.

    Args:
        specification: how to start it.
        log_file: its output is appended to this file.
    """

    def __init__(self, specification: InstanceSpecification, log_file: Path) -> None:
        self._specification = specification
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self.server = ModelServerClient()
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._next_ping = 0.0
        self._failed_pings = 0
        self._restarts = 0
        self.healthy = False
        self.outstanding = 0

    @property
    def process_id(self) -> int | None:
        """Id of the server's process; None while there is none."""
        return self._process.pid if self._process and self._is_running() else None

    def start(self) -> None:
        """Start the server, wait until it is healthy, and start to watch it.

        Raises:
            HostingError: it ended or was not healthy in time; the message has its last log line.
        """
        for attempts_left in reversed(range(_PORT_ATTEMPTS)):
            self._start_process()
            try:
                self._wait_until_healthy()
                break
            except HostingError as error:
                # Another process took the port before the server did.
                if _PORT_TAKEN not in str(error) or not attempts_left:
                    raise
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Stop the server: SIGTERM, then SIGKILL after SageMaker's grace period."""
        self._stopping.set()
        self.healthy = False
        process = self._process
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(TERMINATION_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join(PING_TIMEOUT_SECONDS * 2)
        # A request that ends later finds another port, and closes its connection.
        self.server.move_to(0)

    def _start_process(self) -> None:
        specification = self._specification
        (port,) = usable_ports(0)
        self.server.move_to(port)
        command = [
            str(specification.python), str(specification.server), "serve",
            "--host", "127.0.0.1", "--port", str(port),
            "--model-dir", str(specification.model_directory),
        ]  # fmt: skip
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as log:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the command is built above
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=_base_environment() | specification.environment,
                )  # fmt: skip
            except OSError as error:
                raise HostingError(f"The model server could not be started: {error}") from error

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + self._specification.startup_timeout_seconds
        while not self._stopping.is_set():
            process = self._process
            if process and process.poll() is not None:
                raise HostingError(
                    "The primary container did not pass the ping health check: it exited with "
                    f"status {process.returncode}. {self._last_words()}"
                )
            if self.server.ping():
                self.healthy = True
                return
            if time.monotonic() > deadline:
                self._kill()
                raise HostingError(
                    "The primary container did not pass the ping health check within "
                    f"{self._specification.startup_timeout_seconds:.0f} s. {self._last_words()}"
                )
            self._stopping.wait(_START_POLL_SECONDS)

    def _watch(self) -> None:
        self._next_ping = time.monotonic() + _PING_EVERY_SECONDS
        logged = ""
        while not self._stopping.wait(_WATCH_POLL_SECONDS):
            try:
                self._check()
                logged = ""
            except Exception as error:
                # Tried again: the disk may be full, or the model too slow this time.
                if repr(error) != logged:
                    defect = None if isinstance(error, HostingError) else error
                    logger.error("%s: %s", self._log_file, error, exc_info=defect)
                logged = repr(error)

    def _check(self) -> None:
        """Ping the server when it is time; restart it if it ended or no longer responds."""
        if self._is_running() and self._failed_pings < _FAILED_PINGS_UNTIL_RESTART:
            if time.monotonic() >= self._next_ping:
                self._failed_pings = 0 if self.server.ping() else self._failed_pings + 1
                self._restarts = self._restarts if self._failed_pings else 0
                self._next_ping = time.monotonic() + _PING_EVERY_SECONDS
            return
        earlier_restarts, self._restarts = self._restarts, self._restarts + 1
        try:
            self._restart(earlier_restarts)
        finally:
            self._failed_pings = 0
            self._next_ping = time.monotonic() + _PING_EVERY_SECONDS

    def _restart(self, earlier_restarts: int) -> None:
        self.healthy = False
        self.server.close()
        self._kill()
        logger.warning("an instance ended; starting it again: %s", self._log_file)
        if earlier_restarts:
            self._stopping.wait(min(2.0**earlier_restarts, _MAX_RESTART_DELAY_SECONDS))
        try:
            if not self._stopping.is_set():
                self._start_process()
                self._wait_until_healthy()
        finally:
            if self._stopping.is_set():
                self._kill()  # stop() may have run before the new process was started

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _kill(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = self._log_file.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "It printed nothing."


def _base_environment() -> dict[str, str]:
    """Return the variables that every container has besides those of its model."""
    return kept_environment() | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 - the cloud's own, gone with it
    }
