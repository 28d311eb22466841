"""A real server process, started as SageMaker starts the container, and an HTTP client for it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
MODEL_CODE = ROOT / "model_code"
PYTHON = ROOT / ".venvs" / "serving" / "bin" / "python"
START_SECONDS = 30
ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Reply:
    """A response of the server."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Server:
    """A serving process that has opened its port."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def invoke(self, body: Any, content_type: str | None = "image/png", **attributes: Any) -> Reply:
        headers = {} if content_type is None else {"Content-Type": content_type}
        if attributes:
            headers[ATTRIBUTES_HEADER] = custom_attributes(**attributes)
        return self.request("POST", "/invocations", body, headers)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            return read_reply(connection)
        finally:
            connection.close()

    def log_entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def custom_attributes(**attributes: Any) -> str:
    return ",".join(f"{name}={value}" for name, value in attributes.items())


def read_reply(connection: http.client.HTTPConnection) -> Reply:
    response = connection.getresponse()
    content = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, json.loads(content) if content else None)


def copy_image_context(folder: Path) -> Path:
    """Copy what .dockerignore lets into the image, so that nothing else can be imported."""
    folder.mkdir()
    for line in (MODEL_CODE / ".dockerignore").read_text().splitlines():
        if line.startswith("!") and not line.endswith("/"):
            for path in MODEL_CODE.glob(line[1:]):
                target = folder / path.relative_to(MODEL_CODE)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
    return folder


def start(
    context: Path, log: Path, *arguments: str | Path, **environment: str
) -> subprocess.Popen[bytes]:
    """Start `serve.py serve` with nothing of this process's environment that is not named."""
    if not PYTHON.exists():
        raise FileNotFoundError(f"{PYTHON}: make the environment with `make environments`")
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    with log.open("wb") as output, log.with_suffix(".err").open("wb") as errors:
        return subprocess.Popen(
            [PYTHON, context / "serve.py", "serve", *arguments],
            env=inherited | environment,
            stdout=output,
            stderr=errors,
        )


@contextmanager
def serving(context: Path, log: Path, model: Path, **environment: str) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1 that has logged that it serves; ended afterwards."""
    arguments = ("--host", "127.0.0.1", "--port", "0", "--model-dir", model)
    process = start(context, log, *arguments, **environment)
    try:
        yield Server(process, _wait_for_port(process, log), log)
    finally:
        process.kill()
        process.wait()


def decode_processes(server: Server, count: int = 2) -> list[int]:
    """The IDs of its decode processes, as soon as all have been started."""
    return decode_processes_of(server.process.pid, count)


def decode_processes_of(server: int, count: int = 2) -> list[int]:
    """The IDs of the decode processes of a server's process, as soon as all have been started."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        processes = [grandchild for child in _children(server) for grandchild in _children(child)]
        if len(processes) == count:
            return processes
        time.sleep(0.02)
    raise AssertionError(f"the server does not have {count} decode processes")


def _children(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in children.split()]


@contextmanager
def stopped(processes: Sequence[int]) -> Iterator[None]:
    """Stop processes for a while."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def _wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n") and json.loads(line)["message"] == "serving":
                return int(json.loads(line)["port"])
        if process.poll() is not None:
            raise AssertionError(f"the server ended: {log.with_suffix('.err').read_text()}")
        time.sleep(0.02)
    raise AssertionError(f"the server did not serve within {START_SECONDS} s")
