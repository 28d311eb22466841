"""The figures of a training job: the lines of its log, and the file that a state machine reads."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import train
from classifier.artifact.directory import read_artifact
from classifier.training.dataset.image_files import read_image_file
from tests.contract.serving.artifacts import write_artifact
from tests.model_code.conftest import MODEL_CODE

BACKBONE = "mean"
RunJob = Callable[[Path, str], Path]


@pytest.fixture
def run_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunJob:
    """Run a job of the mode head on a folder of splits; return the job's folder."""

    def run(data: Path, name: str) -> Path:
        job = tmp_path / name
        backbone = job / "cache" / "backbones" / BACKBONE
        backbone.mkdir(parents=True)
        write_artifact(backbone, class_count=6, labels=list("abcdef"))
        variables = {f"CHANNEL_{path.name.upper()}": path for path in data.iterdir()} | {
            "CHECKPOINT_DIR": job / "check points",
            "MODEL_DIR": job / "model",
            "OUTPUT_DIR": job / "output",
            "OUTPUT_DATA_DIR": job / "output" / "data",
        }
        for variable, folder in variables.items():
            monkeypatch.setenv(f"SM_{variable}", str(folder))
        monkeypatch.setenv("TRAINING_JOB_NAME", name)
        flags = ["--mode", "head", "--architecture", BACKBONE, "--cache_dir", str(job / "cache")]
        status = train.main(flags)
        captured = capsys.readouterr()
        (job / "log").write_text(captured.out)
        assert status == 0, captured.err
        return job

    return run


def last_value(job: Path, name: str) -> float:
    """Return the last value of a metric as the job's metric definition finds it."""
    found = re.findall(rf"\b{name}=([0-9.eE+-]+)", (job / "log").read_text())
    return float(found[-1])


def metrics_of(job: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (job / "check points" / job.name / "metrics.json").read_text()
    )
    return found


def with_a_wrong_label(image_folder: Path, folder: Path) -> Path:
    """A copy whose tests cannot all be right: one dark image is in the folder of the light ones."""
    data = Path(shutil.copytree(image_folder, folder))
    (data / "test" / "dark" / "5.png").rename(data / "test" / "light" / "other.png")
    return data


def test_log_file_and_manifest_of_a_job_agree(
    run_job: RunJob, image_folder: Path, tmp_path: Path
) -> None:
    data = with_a_wrong_label(image_folder, tmp_path / "data")
    job = run_job(data, "flowers-1")
    metrics, artifact = metrics_of(job), read_artifact(job / "model")
    assert metrics["test_accuracy"] == artifact.manifest.metrics["test_accuracy"]
    assert metrics["test_accuracy"] == pytest.approx(11 / 12, abs=1e-6)
    assert last_value(job, "test_accuracy") == metrics["test_accuracy"]
    assert last_value(job, "valid_accuracy") == metrics["valid_accuracy"] == 1
    expected = {
        "schema": 1,
        "name": BACKBONE,
        "version": artifact.manifest.identity[:12],
        "architecture": artifact.manifest.architecture,
        "mode": "head",
        "test_images": 12,
        "class_count": 2,
        "model_bytes": artifact.model_path("fp32").stat().st_size,
    }
    assert expected.items() <= metrics.items()
    assert 0 < metrics["milliseconds_per_image"] < 1000
    dataset = (job / "output" / "data" / "dataset.jsonl").read_bytes()
    assert metrics["data_version"] == hashlib.sha256(dataset).hexdigest()[:12]


def test_a_test_split_is_known_by_its_images_and_labels_alone(
    run_job: RunJob, image_folder: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    first = metrics_of(run_job(data, "first"))
    lines = sorted(
        f"{hashlib.sha256(read_image_file(path)).hexdigest()} {path.parent.name}\n"
        for path in (data / "test").rglob("*.png")
    )
    assert first["test_split_sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    (data / "test" / "dark" / "0.png").rename(data / "test" / "dark" / "another name.png")
    (data / "train" / "dark" / "0.png").unlink()
    renamed = metrics_of(run_job(data, "renamed"))
    assert renamed["test_split_sha256"] == first["test_split_sha256"]
    assert renamed["data_version"] != first["data_version"]
    (data / "test" / "dark" / "1.png").rename(data / "test" / "light" / "moved.png")
    assert metrics_of(run_job(data, "moved"))["test_split_sha256"] != first["test_split_sha256"]


def test_what_is_not_known_is_null(run_job: RunJob, image_folder: Path, tmp_path: Path) -> None:
    for label in ("dark", "light"):
        folder = tmp_path / "data" / "train" / label
        folder.mkdir(parents=True)
        shutil.copy(image_folder / "train" / label / "0.png", folder)
    metrics = metrics_of(run_job(tmp_path / "data", "small"))
    unknown = {name for name, value in metrics.items() if value is None}
    assert unknown == {"test_accuracy", "valid_accuracy", "test_split_sha256"}
    assert metrics["test_images"] == 0


def test_on_a_laptop_there_are_no_figures_of_a_job(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = tmp_path / "cache" / "backbones" / BACKBONE
    backbone.mkdir(parents=True)
    write_artifact(backbone, class_count=6, labels=list("abcdef"))
    folders = {"data": image_folder, "cache-dir": tmp_path / "cache"}
    folders |= {name: tmp_path / name for name in ("model-dir", "output-dir")}
    flags = [f"--{name}={path}" for name, path in folders.items()]
    assert train.main(["--mode", "head", "--architecture", BACKBONE, *flags]) == 0
    assert "test_accuracy=" not in capsys.readouterr().out
    assert not list(tmp_path.rglob("metrics.json"))


def test_a_head_is_trained_on_one_host_without_torch(image_folder: Path, tmp_path: Path) -> None:
    backbone = tmp_path / "cache" / "backbones" / BACKBONE
    backbone.mkdir(parents=True)
    write_artifact(backbone, class_count=6, labels=list("abcdef"))
    job = {
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_NUM_GPUS": "1",
        "SM_CHANNEL_TRAIN": str(image_folder / "train"),
        "SM_OUTPUT_DIR": str(tmp_path / "output"),
        "SM_OUTPUT_DATA_DIR": str(tmp_path / "data"),
        "SM_MODEL_DIR": str(tmp_path / "model"),
    }
    program = "import sys; sys.modules['torch'] = None; import train; sys.exit(train.main())"
    flags = ["--mode", "head", "--architecture", BACKBONE, f"--cache-dir={tmp_path}/cache"]
    ended = subprocess.run(
        [sys.executable, "-c", program, *flags],
        env=os.environ | job | {"PYTHONPATH": str(MODEL_CODE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "data" / "metrics.json").is_file()


def test_an_unexpected_error_is_told_where_sagemaker_looks(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA out of\nmemory")

    monkeypatch.setattr("classifier.training.head.job.train_head", fail)
    monkeypatch.setenv("SM_OUTPUT_DIR", str(tmp_path))
    with pytest.raises(RuntimeError, match="CUDA"):
        train.main(["--mode", "head", "--data", str(image_folder)])
    assert (tmp_path / "failure").read_text() == r"RuntimeError: CUDA out of\nmemory"


@pytest.mark.parametrize("kind", ["damaged", "of one class", "missing"])
def test_bad_data_is_the_reason_of_a_failed_job(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    if kind == "damaged":
        for path in data.rglob("*.png"):
            path.write_bytes(path.read_bytes()[:60])
    elif kind == "of one class":
        for folder in data.iterdir():
            shutil.rmtree(folder / "light")
    else:
        shutil.rmtree(data / "train")
    backbone = tmp_path / "cache" / "backbones" / BACKBONE
    backbone.mkdir(parents=True)
    write_artifact(backbone, class_count=6, labels=list("abcdef"))
    monkeypatch.setenv("SM_OUTPUT_DIR", str(tmp_path / "output"))
    for split in ("train", "valid", "test"):
        monkeypatch.setenv(f"SM_CHANNEL_{split.upper()}", str(data / split))
    flags = ["--mode", "head", "--architecture", BACKBONE, "--cache-dir", str(tmp_path / "cache")]
    assert train.main(flags) == 1
    reason = {
        "damaged": "has no image of 'dark' to train on that can be read",
        "of one class": "has one class alone (dark); expected <label>/<image> of two",
        "missing": "train: no such folder; expected the train images in it",
    }[kind]
    assert reason in (tmp_path / "output" / "failure").read_text()
