import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.process_tree import ProcessTree, Thread
from bench.profile_serving import Sample, main, render
from bench.programs import BenchError
from bench.stages import STAGES, Sampler, Stage, split_by_stage

LOOP, STREAM, DECODER = Thread(10, 10, True), Thread(10, 12, True), Thread(30, 30, False)
RESIZING = Stage("decode processes", "resizing")


def test_the_time_of_threads_is_divided_as_their_samples_are() -> None:
    samples = {
        (10, "[kernel.kallsyms]"): 1,
        (10, "/usr/lib/libpython3.so"): 3,
        (12, "/a/perf-10.map"): 5,
        (30, "/a/pillow.libs/libjpeg-6.so"): 30,
        (30, "/a/lib/whippet-resample-0123.so"): 10,
        (30, "/a/PIL/_imaging.so"): 10,
        (30, "/usr/lib/libpython3.so"): 50,
        (77, "/usr/lib/libpython3.so"): 1000,  # a thread that has ended
    }
    stages = split_by_stage({LOOP: 4.0, STREAM: 7.0, DECODER: 10.0}, samples)
    assert set(stages) == set(STAGES)
    assert {stage: seconds for stage, seconds in stages.items() if seconds} == {
        Stage("event loop", "kernel"): 1.0,
        Stage("event loop", "HTTP, parsing, hand-over, response"): 3.0,
        Stage("network", "network"): 7.0,
        Stage("decode processes", "JPEG decoding"): 3.0,
        RESIZING: 2.0,
        Stage("decode processes", "headers, hand-over"): 5.0,
    }


def test_threads_without_samples_have_no_time() -> None:
    assert set(split_by_stage({LOOP: 0.0}, {}).values()) == {0.0}


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", "while True: pass"], start_new_session=True
    ) as process:
        yield process
        process.kill()


def test_a_busy_thread_uses_time(busy: subprocess.Popen[bytes]) -> None:
    tree = ProcessTree(busy.pid)
    while not (seconds := tree.thread_cpu_seconds()) or max(seconds.values()) < 0.1:
        assert busy.poll() is None
    assert Thread(busy.pid, busy.pid, True) in seconds


def test_without_perf_the_program_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(BenchError, match="perf is missing; install"):
        Sampler({1}, tmp_path / "perf.data")


def _sample(throughput: float, resizing_ms: float) -> Sample:
    return Sample(throughput, 5.0, dict.fromkeys(STAGES, 0.0) | {RESIZING: resizing_ms})


def test_the_document_has_medians_and_the_ratios_of_the_rounds() -> None:
    samples = {
        ("net", 16, "before"): [_sample(100, 2.0), _sample(200, 4.0), _sample(100, 3.0)],
        ("net", 16, "now"): [_sample(150, 1.0), _sample(200, 3.0), _sample(200, 1.5)],
    }
    document = render(samples, "The method.", "int8")
    assert "## net, int8" in document
    assert "| decode processes | resizing | 3.00 | 1.50 |" in document
    assert "| all | responses/s | 100 | 200 |" in document
    assert "Now / before, 16 clients: responses per second 1.50 (1.00 to 2.00)." in document
    assert "CPU time 0.50 (0.50 to 0.75)." in document


def test_a_model_that_is_no_artifact_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "inputs" / "images"
    images.mkdir(parents=True)
    for size in ("500x375", "1920x1080"):
        (images / f"{size}.jpg").write_bytes(b"")
    assert main(["--artifacts", str(tmp_path), "--cache", str(tmp_path)]) == 1
    assert f"{tmp_path} has no manifest.json" in capsys.readouterr().err
