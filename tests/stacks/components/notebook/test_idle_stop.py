"""The start script of a notebook instance and the program that it installs, run here."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from stacks.components.notebook.start_script import start_script

STARTS = ["sagemaker stop-notebook-instance --notebook-instance-name explorer"]


class Jupyter:
    """The part of Jupyter's API that tells what is used."""

    def __init__(self) -> None:
        self.sessions: list[dict[str, Any]] = []
        self.terminals: list[dict[str, Any]] = []
        responses = {"/api/sessions": "sessions", "/api/terminals": "terminals"}
        found = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = json.dumps(getattr(found, responses[self.path])).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_given: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def add_kernel(self, state: str, minutes_ago: float) -> None:
        kernel = {"execution_state": state, "last_activity": moment(minutes_ago)}
        self.sessions.append({"kernel": kernel})


def moment(minutes_ago: float) -> str:
    then = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def jupyter() -> Iterator[Jupyter]:
    found = Jupyter()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program, as the start script installs it; `systemd-run` and `aws` are recorded."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("systemd-run", "aws"):
        (folder / name).write_text(f'#!/bin/bash\necho "$@" >> "{tmp_path}/{name}.calls"\n')
        (folder / name).chmod(0o755)
    script = start_script(30).replace("/opt/whippet", f"{tmp_path}/opt")
    subprocess.run(["/bin/bash", "-c", script], env=environment(tmp_path), check=True)
    (timer,) = (tmp_path / "systemd-run.calls").read_text().splitlines()
    assert "--on-unit-active=300" in timer
    return tmp_path / "opt" / "idle_stop.py"


def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{tmp_path}/bin:{os.defpath}:/usr/bin:/bin"}


def stops(tmp_path: Path, program: Path, jupyter: Jupyter, minutes: float) -> list[str]:
    """Run the program once; return how it called `aws`."""
    metadata = tmp_path / "metadata.json"
    metadata.write_text(json.dumps({"ResourceName": "explorer"}))
    address = f"http://127.0.0.1:{jupyter.server.server_port}"
    command = ["python3", str(program), str(minutes), address, str(metadata)]
    subprocess.run(command, env=environment(tmp_path), check=True)
    calls = tmp_path / "aws.calls"
    return calls.read_text().splitlines() if calls.exists() else []


# This machine has run for more than a second, and not for these 1,000 days.
SHORT, LONG = 1 / 60, 1_440_000.0


def test_a_notebook_that_nobody_uses_is_stopped(
    tmp_path: Path, program: Path, jupyter: Jupyter
) -> None:
    assert stops(tmp_path, program, jupyter, SHORT) == STARTS


def test_a_notebook_that_has_just_been_started_is_not(
    tmp_path: Path, program: Path, jupyter: Jupyter
) -> None:
    assert stops(tmp_path, program, jupyter, LONG) == []


@pytest.mark.parametrize(
    ("kernels", "terminal", "stopped"),
    [
        ([("idle", 9)], None, True),
        ([("idle", 9), ("idle", 0)], None, False),
        ([("busy", 9)], None, False),
        ([("idle", 9)], 0, False),
        ([("idle", 9)], 8, True),
        ([], 0, False),
    ],
)
def test_what_works_keeps_it(
    tmp_path: Path, program: Path, jupyter: Jupyter,
    kernels: list[tuple[str, float]], terminal: float | None, stopped: bool,
) -> None:  # fmt: skip
    for state, minutes_ago in kernels:
        jupyter.add_kernel(state, minutes_ago)
    if terminal is not None:
        jupyter.terminals.append({"name": "1", "last_activity": moment(terminal)})
    # Idle for more than 3 seconds.
    assert stops(tmp_path, program, jupyter, 3 / 60) == (STARTS if stopped else [])


def test_a_jupyter_that_cannot_be_read_for_as_long_stops_it_too(
    tmp_path: Path, program: Path, jupyter: Jupyter
) -> None:
    jupyter.sessions.append({"name": "without a kernel"})
    assert stops(tmp_path, program, jupyter, SHORT) == []
    unreadable = program.with_name("unreadable")
    minutes_ago = datetime.now(UTC).timestamp() - 120
    os.utime(unreadable, (minutes_ago, minutes_ago))
    assert stops(tmp_path, program, jupyter, 3) == []
    assert stops(tmp_path, program, jupyter, SHORT) == STARTS
    # Once it can be read again, the time begins anew.
    jupyter.sessions = []
    stops(tmp_path, program, jupyter, LONG)
    assert not unreadable.exists()
