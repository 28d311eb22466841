"""Training on several hosts, which are processes of train.py on this machine."""

from __future__ import annotations

import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import torch

import train
from classifier.artifact.directory import read_artifact
from tests.contract.serving.artifacts import write_artifact
from tests.model_code.conftest import NORMALISED
from tests.model_code.training import exact_steps
from tests.model_code.training.job_hosts import Job

BACKBONE = "mean"
HEAD = ("--mode", "head", "--architecture", BACKBONE)


def with_backbone(cache: Path) -> Path:
    """Write a small backbone, so that none is exported."""
    folder = cache / "backbones" / BACKBONE
    folder.mkdir(parents=True)
    write_artifact(folder, class_count=6, labels=list("abcdef"))
    return cache


def files_below(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_two_hosts_make_the_features_and_the_head_of_one(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = {path.name: path for path in image_folder.iterdir()}
    alone = with_backbone(tmp_path / "alone")
    for name, path in channels.items():
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(path))
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "alone" / "model"))
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", str(tmp_path / "alone" / "data"))
    assert train.main([*HEAD, "--cache-dir", str(alone)]) == 0
    together = with_backbone(tmp_path / "together" / "cache")
    with Job(tmp_path / "together", [*HEAD, "--cache-dir", together], channels=channels) as job:
        first, second = (job.ended(place) for place in range(2))
    assert (first.status, second.status) == (0, 0), first.log + second.log
    assert files_below(together / "features") == files_below(alone / "features")
    assert files_below(job.folder / "model") == files_below(alone / "model")
    assert read_artifact(job.folder / "model").manifest.metrics["test_images"] == 12
    # Metrics come once, in the first host's log.
    assert first.log.count("test_accuracy=") == 1
    assert "_accuracy=" not in second.log
    assert (first.failure, second.failure) == ("", "")


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes that have a folder among their arguments."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(folder) in process.cmdline():
                found.append(process)
    return found


def addresses_of(processes: list[psutil.Process]) -> set[str]:
    """Return the addresses that they listen at."""
    connections = [each for process in processes for each in process.net_connections("inet")]
    return {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}


def test_a_job_that_was_stopped_and_lost_a_host_made_the_steps_of_one_host(
    image_folder: Path, normalised_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty steps in float64, of batches of 5, 5 and 2 images, which two do not share evenly."""
    weights = ("--architecture", NORMALISED, "--weights-file", normalised_weights)
    sizes = ("--crop", "32", "--resize", "36", "--batch-size", "5", "--epochs", "7")
    flags = [*weights, *sizes, "--patience", "0", "--data", image_folder, "--cache-dir", tmp_path]
    own = ("--model-dir", tmp_path / "one", "--output-dir", tmp_path / "one")
    (tmp_path / "one").mkdir()
    monkeypatch.setenv(exact_steps.FOLDER, str(tmp_path / "one"))
    assert exact_steps.main([str(each) for each in (*flags, *own)]) == 0
    together = tmp_path / "together"
    together.mkdir()
    variables = {
        exact_steps.FOLDER: str(together),
        exact_steps.SECONDS_A_STEP: "0.1",
        exact_steps.SECONDS_TO_WRITE: "100",
        "SM_CHECKPOINT_DIR": str(together),
    }
    program = Path(exact_steps.__file__)
    with Job(tmp_path / "first", flags, channels={}, program=program, variables=variables) as job:
        job.wait_until(lambda: "epoch=2 " in job.log(0))
        for process in job.processes:
            process.send_signal(signal.SIGTERM)
        first, second = (job.ended(place, 60) for place in range(2))
    assert (first.status, second.status) == (130, 130), first.log
    assert "Stopped in epoch 3 after" in first.log
    with Job(tmp_path / "second", flags, channels={}, program=program, variables=variables) as job:
        # The first host's worker computes alone now; the other one waits for it.
        job.wait_until(lambda: "writing" in job.log(0))
        # Of each host train.py, torchrun and a worker.
        assert len(processes_of(tmp_path)) == 6
        assert addresses_of(processes_of(tmp_path)) == {"127.0.0.1"}
        job.kill(0)
        killed = time.monotonic()
        second = job.ended(1, 60)
        assert time.monotonic() - killed < 60
        job.wait_until(lambda: not processes_of(tmp_path), 20)
    assert second.status == 1
    assert second.failure.startswith("host algo-1 ended: its processes are gone: killed")
    assert second.log.endswith(f"train.py: {second.failure}\n")
    log = job.log(0)
    assert "Resumed in epoch 3 after" in log
    assert re.search(r"^epoch=7 train_loss=", log, re.MULTILINE)
    before, expected = torch.load(normalised_weights), torch.load(tmp_path / "one" / "0.pt")
    for rank in range(2):
        result = torch.load(together / f"{rank}.pt")
        assert all((result[name] - expected[name]).abs().max() < 1e-9 for name in expected)
        assert torch.equal(result["conv1.1.running_mean"].float(), before["conv1.1.running_mean"])
    assert (expected["conv1.0.weight"] - before["conv1.0.weight"]).abs().max() > 1e-5
