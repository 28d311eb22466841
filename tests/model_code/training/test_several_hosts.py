"""Training on several hosts, which are processes of train.py on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import train
from classifier.artifact.directory import read_artifact
from tests.contract.serving.artifacts import write_artifact
from tests.model_code.conftest import NORMALISED
from tests.model_code.training.job_hosts import Job

EXACT_STEPS = Path(__file__).with_name("exact_steps.py")

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


def test_twenty_steps_of_two_hosts_are_those_of_one(
    image_folder: Path, normalised_weights: Path, tmp_path: Path
) -> None:
    """Of batches of 5, 5 and 2 images, which two workers do not share evenly."""
    weights = ("--architecture", NORMALISED, "--weights-file", normalised_weights)
    sizes = ("--crop", "32", "--resize", "36", "--batch-size", "5", "--epochs", "7")
    flags = [*weights, *sizes, "--patience", "0", "--data", image_folder]
    after = {}
    for host_count in (1, 2):
        folder = tmp_path / str(host_count)
        given = [*flags, "--model-dir", folder]
        with Job(folder, given, channels={}, host_count=host_count, program=EXACT_STEPS) as job:
            for place in range(host_count):
                ended = job.ended(place)
                assert ended.status == 0, ended.log
                after[host_count, place] = torch.load(folder / f"{place}.pt")
    before = torch.load(normalised_weights)
    for name, expected in after[1, 0].items():
        for place in range(2):
            difference = (after[2, place][name] - expected).abs().max()
            assert difference < 1e-9, (place, name)
    for name in ("conv1.0.weight", "stage4.1.branch2.0.weight"):
        assert (after[1, 0][name] - before[name]).abs().max() > 1e-5, name
    frozen = "conv1.1.running_mean"
    assert torch.equal(after[2, 1][frozen].float(), before[frozen])
