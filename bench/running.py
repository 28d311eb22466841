"""A server that runs: started, asked, paused between its turns, ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from bench.connection import Connection, Reply
from bench.errors import BenchError
from bench.process_tree import ProcessTree
from bench.server import Place, Server

START_SECONDS: Final = 120.0
_SETTLING_SECONDS: Final = 20.0
_READING_SECONDS: Final = 0.3
_CALM_READINGS: Final = 3
_IDLE_SHARE: Final = 0.2
_LAST_CHARACTERS: Final = 600
# Labels and probabilities, most probable first.
Predictions = tuple[tuple[str, float], ...]
_INHERITED: Final = ("PATH", "HOME", "LANG", "JAVA_HOME")


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server that has answered a picture.

    Attributes:
        first_answer_seconds: from the start of its process.
    """

    server: Server
    port: int
    processes: ProcessTree
    process: subprocess.Popen[bytes]
    first_answer_seconds: float

    def classify(self, picture: bytes) -> Predictions:
        """Return its answer to a picture (JPEG).

        Raises:
            BenchError: it refused, or answered what is no such list.
        """
        connection = Connection(self.port)
        try:
            reply = connection.ask(self.server.request(picture))
        except (OSError, ValueError) as error:
            raise BenchError(f"it does not answer a picture: {error}") from error
        finally:
            connection.close()
        if reply.status != HTTPStatus.OK:
            raise BenchError(f"it answers a picture {reply.status}: {reply.body[:200]!r}")
        return _predictions(reply)

    def end(self) -> None:
        """End all of its processes."""
        self.processes.end()
        self.process.wait()


def start(
    server: Server, *, programs: Path, inputs: Path, scratch: Path, picture: bytes
) -> RunningServer:
    """Start a server and wait for its answer to a picture (JPEG).

    Raises:
        BenchError: it ended, did not answer in time, or answered something else.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    place = Place(programs=programs, inputs=inputs, scratch=scratch, port=_free_port())
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
    try:
        _await_answer(process, place.port, server.request(picture))
        seconds = time.perf_counter() - began
        _settle(processes)
        return RunningServer(
            server=server,
            port=place.port,
            processes=processes,
            process=process,
            first_answer_seconds=seconds,
        )
    except BaseException as error:
        processes.end()
        process.wait()
        if isinstance(error, BenchError):
            end = log.read_text(errors="replace").strip()[-_LAST_CHARACTERS:]
            raise BenchError(f"{error}; the end of its log:\n{end}") from None
        raise


def _environment(server: Server, place: Place) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return (
        inherited
        | {
            "PATH": f"{place.programs}:{inherited.get('PATH', '')}",
            "TMPDIR": str(place.scratch),
            "LOG_LOCATION": str(place.scratch),
            "METRICS_LOCATION": str(place.scratch),
            "BENTOML_HOME": str(place.scratch),
            "BENTOML_DO_NOT_TRACK": "True",
            "BENCH_MODEL_FOLDER": str(place.inputs),
            "BENCH_PORT": str(place.port),
        }
        | server.environment
    )


def _await_answer(process: subprocess.Popen[bytes], port: int, request: bytes) -> None:
    connection = Connection(port)
    deadline = time.monotonic() + START_SECONDS
    reply: Reply | None = None
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"it ended with status {process.returncode}")
        try:
            reply = connection.ask(request)
        except (OSError, ValueError):
            time.sleep(0.02)
            continue
        if reply.status == HTTPStatus.OK:
            connection.close()
            return
        # Some open their port before their workers have loaded the network.
        time.sleep(0.02)
    answered = f"; last: {reply.status} {reply.body[:200]!r}" if reply else ""
    raise BenchError(f"it did not answer a picture within {START_SECONDS:.0f} s{answered}")


def _settle(processes: ProcessTree) -> None:
    """Wait until the server idles: one worker's answer does not mean that all have loaded."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    calm = 0
    while calm < _CALM_READINGS and time.monotonic() < deadline:
        before = processes.cpu_seconds()
        time.sleep(_READING_SECONDS)
        used_seconds = processes.cpu_seconds() - before
        calm = calm + 1 if used_seconds < _IDLE_SHARE * _READING_SECONDS else 0


def _predictions(reply: Reply) -> Predictions:
    """Read the three shapes that there are: ours, BentoML's list of one, TorchServe's object."""
    try:
        content: Any = json.loads(reply.body)
        if isinstance(content, list):
            content = content[0]
        if "predictions" not in content:
            return tuple(content.items())
        return tuple((item["label"], item["probability"]) for item in content["predictions"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BenchError(f"its answer is no list of classes: {reply.body[:200]!r}") from error


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
