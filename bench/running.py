"""A running server: started, invoked, ended with all of its processes."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from bench.connection import Connection
from bench.load import Window, drive
from bench.process_tree import ProcessTree
from bench.programs import BenchError, log_end
from bench.server import Place, Server, free_port

_MAX_START_SECONDS: Final = 120.0
_MAX_SETTLING_SECONDS: Final = 20.0
_READING_SECONDS: Final = 0.3
_CALM_READINGS: Final = 3
_MAX_IDLE_SHARE: Final = 0.2
_INHERITED: Final = ("PATH", "HOME", "LANG", "JAVA_HOME", "LD_LIBRARY_PATH")
_SCRATCH_VARIABLES: Final = ("TMPDIR", "LOG_LOCATION", "METRICS_LOCATION", "BENTOML_HOME")

# Labels and probabilities, most probable first.
Predictions = tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server that has classified an image.

    Attributes:
        first_response_seconds: from the start of its process.
    """

    server: Server
    port: int
    processes: ProcessTree
    first_response_seconds: float = 0.0

    def classify(self, image: bytes) -> Predictions:
        """Return the server's classes of an image (JPEG).

        Raises:
            BenchError: no response, or not a list of classes.
        """
        try:
            with closing(Connection(self.port)) as connection:
                response = connection.send(self.server.request(image))
        except (OSError, ValueError) as error:
            raise BenchError(f"no response: {error}") from error
        if response.status != HTTPStatus.OK:
            raise BenchError(f"response {response.status} {response.body[:200]!r}")
        return _predictions(response.body)

    def drive(self, image: bytes, *, client_count: int, seconds: float) -> Window:
        """Measure the server under the load of `client_count` clients, each with this image."""
        return drive(
            self.port,
            self.server.request(image),
            client_count=client_count,
            seconds=seconds,
            read_cpu=self.processes.cpu_seconds,
        )


@contextmanager
def start(
    server: Server, *, programs: Path, inputs: Path, scratch: Path, image: bytes
) -> Iterator[RunningServer]:
    """Start a server and wait until it classifies an image (JPEG); end it on leaving.

    See `Place` for the folders.

    Raises:
        BenchError: the server ended, or there was no response with status 200 in time.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    place = Place(programs=programs, inputs=inputs, scratch=scratch, port=free_port())
    command = server.command(place)
    log = scratch / "server.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the command is built here
            command,
            cwd=scratch,
            env=_environment(server, place),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Its processes are found by their session.
            start_new_session=True,
        )
    processes = ProcessTree(process.pid)
    running = RunningServer(server=server, port=place.port, processes=processes)
    try:
        try:
            _await_class(running, process, image)
        except BenchError as error:
            end = log_end(log.read_text(errors="replace"))
            raise BenchError(f"{error}; the end of its log:\n{end}") from None
        seconds = time.perf_counter() - began
        _settle(processes)
        yield replace(running, first_response_seconds=seconds)
    finally:
        processes.end()
        process.wait()


def _environment(server: Server, place: Place) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = {
        "PATH": f"{place.programs}:{inherited.get('PATH', '')}",
        "BENTOML_DO_NOT_TRACK": "True",
        "BENCH_MODEL_FOLDER": str(place.inputs),
        "BENCH_PORT": str(place.port),
    }
    folders = dict.fromkeys(_SCRATCH_VARIABLES, str(place.scratch))
    return inherited | own | folders | server.environment


def _await_class(running: RunningServer, process: subprocess.Popen[bytes], image: bytes) -> None:
    deadline = time.monotonic() + _MAX_START_SECONDS
    while True:
        if process.poll() is not None:
            raise BenchError(f"it ended with status {process.returncode}")
        # Some servers open their port before their workers have loaded the network.
        try:
            running.classify(image)
            return
        except BenchError as error:
            if time.monotonic() > deadline:
                raise BenchError(f"no class within {_MAX_START_SECONDS:.0f} s: {error}") from None
            time.sleep(0.02)


def _settle(processes: ProcessTree) -> None:
    """Wait until the server idles: after the response of one worker others may still load."""
    deadline = time.monotonic() + _MAX_SETTLING_SECONDS
    calm = 0
    while calm < _CALM_READINGS and time.monotonic() < deadline:
        before = processes.cpu_seconds()
        time.sleep(_READING_SECONDS)
        used_seconds = processes.cpu_seconds() - before
        calm = calm + 1 if used_seconds < _MAX_IDLE_SHARE * _READING_SECONDS else 0


def _predictions(body: bytes) -> Predictions:
    """Read the three shapes that there are: ours, BentoML's list of one, TorchServe's object."""
    try:
        content: Any = json.loads(body)
        if isinstance(content, list):
            content = content[0]
        if "predictions" not in content:
            return tuple(content.items())
        return tuple((item["label"], item["probability"]) for item in content["predictions"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BenchError(f"not a list of classes: {body[:200]!r}") from error
