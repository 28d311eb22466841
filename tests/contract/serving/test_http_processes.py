"""Several processes receive and decode images before one with the engine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .server import Server, decode_processes_of, serving, start

COUNT = 3
KINDS = [f"{colour}.{kind}" for colour in ("red", "green", "blue") for kind in ("png", "webp")]


@pytest.fixture
def several(context: Path, artifact: Path, tmp_path: Path) -> Iterator[Server]:
    log = tmp_path / "server.log"
    settings = {"WHIPPET_HTTP_PROCESSES": str(COUNT), "WHIPPET_DECODE_PROCESSES": "5"}
    with serving(context, log, artifact, **settings) as running:
        deadline = time.monotonic() + 30
        while _serving_count(running) < COUNT and time.monotonic() < deadline:
            time.sleep(0.02)
        assert _serving_count(running) == COUNT
        yield running


def test_they_classify_as_one_process_does_and_end_in_order(
    several: Server, server: Server, images: Path
) -> None:
    expected = {name: _invoke(server, images / name) for name in KINDS}
    names = KINDS * 20
    with ThreadPoolExecutor(12) as clients:
        results = list(clients.map(lambda name: _invoke(several, images / name), names))
    assert results == [expected[name] for name in names]
    assert several.request("GET", "/ping").status == 200
    assert several.invoke(b"no image").status == 415
    processes = _http_processes(several)
    assert len(processes) == COUNT
    for process in processes:
        assert _shared_with_engine(process)
        # Its part of five, rounded up. An image that controls one reaches no engine.
        decoders = decode_processes_of(process, 2)
        assert [_shared_with_engine(decoder) for decoder in decoders] == [[], []]
    several.process.send_signal(signal.SIGTERM)
    assert several.process.wait(timeout=10) == 0
    assert not any(Path(f"/proc/{process}").exists() for process in processes)
    assert several.log.with_suffix(".err").read_text() == ""


def test_one_that_ends_by_itself_ends_them_all_with_an_error(several: Server) -> None:
    processes = _http_processes(several)
    os.kill(processes[1], signal.SIGKILL)
    assert several.process.wait(timeout=10) == 1
    assert not any(Path(f"/proc/{process}").exists() for process in processes)
    (entry,) = (each for each in several.log_entries() if each["level"] == "ERROR")
    assert entry["message"] == "an HTTP process ended by itself with status -9"


def test_they_end_with_the_process_that_has_the_engine(several: Server) -> None:
    processes = _http_processes(several)
    several.process.kill()
    deadline = time.monotonic() + 10
    while any(map(_runs, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, processes))


def test_a_network_that_cannot_be_loaded_is_refused_in_one_line(
    context: Path, artifact: Path, tmp_path: Path
) -> None:
    log = tmp_path / "refused.log"
    settings = {"WHIPPET_HTTP_PROCESSES": "2", "WHIPPET_PRECISION": "fp16"}
    process = start(context, log, "--port", "0", "--model-dir", artifact, **settings)
    assert process.wait(timeout=30) == 1
    (line,) = log.with_suffix(".err").read_text().splitlines()
    assert "holds no fp16 network" in line


def _invoke(server: Server, image: Path) -> object:
    content_type = f"image/{image.suffix.removeprefix('.')}"
    reply = server.invoke(image.read_bytes(), content_type)
    assert reply.status == 200, reply.body
    return reply.body["predictions"]


def _serving_count(server: Server) -> int:
    return sum(entry["message"] == "serving" for entry in server.log_entries())


def _http_processes(server: Server) -> list[int]:
    process = server.process.pid
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in children]


def _shared_with_engine(process: int) -> list[str]:
    descriptors = Path(f"/proc/{process}/fd").iterdir()
    names = [str(descriptor.readlink()) for descriptor in descriptors]
    mapped = Path(f"/proc/{process}/maps").read_text().splitlines()
    return [name for name in (*names, *mapped) if "engine-crops" in name]


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
