"""`python -m local_cloud`, as far as it goes without MiniStack, which this environment lacks."""

import errno
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_cloud import __main__, lifecycle
from local_cloud.certificate import write_certificate
from local_cloud.crash import crash_reason
from local_cloud.errors import LifecycleError
from local_cloud.place import Place, Record
from local_cloud.processes import is_alive


def run(state: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["local_cloud", "--state-directory", str(state), *arguments])
    return __main__.main()


def up(state: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    return run(
        state, "up", "--serving-python", sys.executable, "--port", "0", "--public-port", "0",
        *arguments, monkeypatch=monkeypatch,
    )  # fmt: skip


def record_of(process_id: int, started_at: float, port: int = 1) -> Record:
    return Record(
        process_id=process_id,
        process_started_at=started_at,
        port=port,
        public_port=2,
        region="us-east-1",
    )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.prepare()
    return place


@pytest.fixture
def silent(place: Place) -> Iterator[Record]:
    """A cloud whose process ignores SIGTERM, and whose port accepts connections alone."""
    write_certificate(place.certificate, place.private_key)
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    )
    command = (sys.executable, "-c", code, str(place.directory))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        started_at = psutil.Process(process.pid).create_time()
        record = record_of(process.pid, started_at, listening.getsockname()[1])
        place.write_record(record)
        yield record
    process.kill()
    process.communicate()


def test_a_cloud_that_cannot_be_imported_says_why_and_leaves_only_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert up(tmp_path, monkeypatch) == 1
    shown = capsys.readouterr().err
    assert "cannot be imported (No module named '" in shown
    assert "make environments" in shown
    assert f"Log: {tmp_path / 'logs' / 'cloud.log'}" in shown
    assert "Traceback" not in shown
    log = (tmp_path / "logs" / "cloud.log").read_text()
    assert "Traceback" in log
    assert log.splitlines()[-1].startswith("local cloud: a library of the local cloud")
    assert {path.name for path in tmp_path.iterdir()} == {"logs"}


def test_the_process_of_a_crash_has_status_1(place: Place) -> None:
    ended = subprocess.run(
        [
            sys.executable, "-m", "local_cloud.server", "--state-directory", str(place.directory),
            "--assembly", "none", "--serving-python", "none", "--training-python", "none",
            "--port", "1", "--public-port", "2",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert (place.read_crash() or "").startswith("a library of the local cloud")


@pytest.mark.parametrize(
    ("status", "text"),
    [("kill -KILL $$", "ended by SIGKILL"), ("exit 7", "exited with status 7")],
)
def test_a_process_that_ends_without_a_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: str,
    text: str,
) -> None:
    shell = tmp_path / "python"
    shell.write_text(f"#!/bin/sh\n{status}\n")
    shell.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(shell))
    assert up(tmp_path / "state", monkeypatch, "--serving-python", str(shell)) == 1
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.EADDRINUSE, "Address already in use"), "make up PORT="),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "the disk is full"),  # noqa: S108
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (ssl.SSLError(1, "[PEM] no start line"), "certificate"),
        (ModuleNotFoundError("No module named 'moto'"), "make environments"),
        (MemoryError(), "no memory"),
        (LifecycleError("MiniStack 2 has no x."), "MiniStack 2 has no x."),
        (RuntimeError("two\nlines {x}"), "RuntimeError: two lines {x}"),
    ],
)
def test_the_reason_of_a_crash_is_one_line(error: Exception, text: str) -> None:
    reason = crash_reason(error)
    assert text in reason
    assert "\n" not in reason


@pytest.mark.parametrize("reason", ["the disk is full.", None])
def test_status_after_a_crash_says_so(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reason: str | None,
) -> None:
    # The process of the record has ended, and another one has its id.
    place.write_record(record_of(os.getpid(), 1.0))
    if reason:
        place.crash_file.write_text(reason)
    assert run(place.directory, "status", "--json", monkeypatch=monkeypatch) == 3
    shown = capsys.readouterr().out
    assert f"ended unexpectedly: {reason or 'its process was killed'}" in shown
    assert str(place.server_log) in shown
    assert run(place.directory, "down", monkeypatch=monkeypatch) == 0
    capsys.readouterr()
    assert run(place.directory, "status", monkeypatch=monkeypatch) == 3
    assert capsys.readouterr().out == "No local cloud runs here.\n"


def test_a_cloud_that_does_not_respond_is_not_said_to_run(
    place: Place,
    silent: Record,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(__main__, "_RESPONSE_TIMEOUT_SECONDS", 0.2)
    assert run(place.directory, "status", "--json", monkeypatch=monkeypatch) == 4
    assert up(place.directory, monkeypatch) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count(f"process {silent.process_id} runs but does not respond") == 2
    assert place.read_record() == silent


def test_down_kills_what_ignores_it(
    place: Place, silent: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_STOP_TIMEOUT_SECONDS", 0.3)
    assert lifecycle.stop(place) == 1
    assert not is_alive(silent)
    assert {path.name for path in place.directory.iterdir()} == {"logs"}


def test_what_is_no_record_is_no_cloud(place: Place) -> None:
    for text in ("", "[]", json.dumps({"process_id": 1})):
        place.record_file.write_text(text)
        assert lifecycle.running(place) is None


def test_equal_ports_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    assert up(tmp_path, monkeypatch, "--port", port, "--public-port", port) == 1
    shown = capsys.readouterr().err
    assert f"cannot both have port {port}" in shown
    assert "two different ones" in shown
