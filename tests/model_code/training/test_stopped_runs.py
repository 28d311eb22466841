"""Runs of a head's training that are killed or interrupted, and `make train` from end to end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import train
from classifier.artifact.directory import file_sha256, read_artifact
from tests.contract.serving.artifacts import write_artifact
from tests.model_code.conftest import MODEL_CODE
from tests.model_code.training.measured_networks import write_colours

IMAGES = 300

# Sends itself a signal when it opens an image for the n-th time: for the scan, for its features or
# for judging.
STOPPED = """\
import os, signal, sys
sys.path.insert(0, {model_code!r})
# Ignored where the tests run in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)
number, left = int(sys.argv.pop(1)), int(sys.argv.pop(1))
def count(event, arguments):
    global left
    if event == "import" and arguments[0] == "torch":
        print("torch, which takes seconds, is imported", file=sys.stderr)
    if event == "open" and str(arguments[0]).endswith(".png"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)
sys.addaudithook(count)
import train
train.run_program(train.main)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("data"), IMAGES)


def flags(root: Path, data: Path) -> list[str]:
    """Return the flags of a run whose backbone is there, and whose files are all below `root`."""
    backbones = root / "backbones"
    if not backbones.exists():
        backbones.mkdir(parents=True)
        write_artifact(backbones / "mean", class_count=6, labels=list("abcdef"))
    folders = {"--cache-dir": root, "--model-dir": root / "model", "--output-dir": root / "output"}
    return [
        *("--mode", "head", "--architecture", "mean", "--data", str(data)),
        *(str(text) for pair in folders.items() for text in pair),
    ]


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a run that nothing stopped."""
    root = tmp_path_factory.mktemp("whole")
    assert train.main(flags(root, data)) == 0
    return root / "model"


def stop(number: int, opened: int, given: list[str]) -> subprocess.CompletedProcess[str]:
    """Run, with a signal when an image is opened for the n-th time."""
    program = STOPPED.format(model_code=str(MODEL_CODE))
    return subprocess.run(
        [sys.executable, "-c", program, str(number), str(opened), *given],
        capture_output=True, check=False, text=True,
    )  # fmt: skip


def row_count(root: Path) -> int:
    (features,) = (root / "features").iterdir()
    return (features / "images.sha256").stat().st_size // 32


def assert_same_bytes(model: Path, whole: Path) -> None:
    for name in ("model.onnx", "manifest.json"):
        assert (model / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_that_is_killed_anywhere_is_continued_to_the_same_bytes(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    given = flags(tmp_path, data)
    generator = random.Random()  # noqa: S311 - for other points in each run, not for secrets
    rows, points = [0], list[int]()
    for step in ("features", "features", "judging"):
        missing = IMAGES - rows[-1]
        within = generator.randrange(1, missing)
        # The scan opens each image once.
        points.append(IMAGES + (within if step == "features" else missing + 9))
        ended = stop(signal.SIGKILL, points[-1], given)
        assert ended.returncode == -signal.SIGKILL, (points, ended.stdout, ended.stderr)
        rows.append(row_count(tmp_path))
    assert rows[2] < rows[3] == IMAGES, points
    assert train.main(given) == 0
    assert_same_bytes(tmp_path / "model", whole)


@pytest.mark.parametrize("step", ["features", "judging"])
def test_ctrl_c_keeps_the_features_and_the_head(
    data: Path, whole: Path, tmp_path: Path, step: str
) -> None:
    given = flags(tmp_path, data)
    opened = {"features": IMAGES + 100, "judging": 2 * IMAGES + 20}[step]
    ended = stop(signal.SIGINT, opened, given)
    assert (ended.returncode, ended.stderr) == (130, "")
    assert ended.stdout.endswith(
        "Stopped. What was computed is kept: the same command continues.\n"
    )
    if step == "judging":
        assert row_count(tmp_path) == IMAGES
        kept = read_artifact(tmp_path / "model")
        assert file_sha256(kept.model_path("fp32")) == file_sha256(whole / "model.onnx")
        assert kept.manifest.metrics == {}
    else:
        assert 0 < row_count(tmp_path) < IMAGES
    assert train.main(given) == 0
    assert_same_bytes(tmp_path / "model", whole)


def test_make_train_ends_with_an_artifact_where_make_up_takes_it(
    data: Path, tmp_path: Path
) -> None:
    """The tool that make calls, with the real programs, in a copy of the repository."""
    clone = tmp_path / "it's a folder"
    for name in ("model_code", "tools"):
        shutil.copytree(
            MODEL_CODE.parent / name, clone / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    (clone / "stacks").mkdir()
    for name in ("__init__.py", "names.py"):
        shutil.copy(MODEL_CODE.parent / "stacks" / name, clone / "stacks")
    (clone / ".venvs").mkdir()
    (clone / ".venvs" / "training").symlink_to(sys.prefix)
    backbones = clone / "build" / "backbones"
    backbones.mkdir(parents=True)
    write_artifact(backbones / "mean", class_count=6, labels=list("abcdef"))
    variables = {"WHIPPET_DATA": str(data), "WHIPPET_BACKBONE": "mean"}
    ended = subprocess.run(
        [sys.executable, "-m", "tools.model.train", "--from-make"], cwd=clone,
        env=os.environ | variables, capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    manifest = json.loads((clone / "build" / "model" / "manifest.json").read_text())
    assert manifest["labels"] == sorted(["rød", "grün", "blå"])
    assert manifest["metrics"]["test_accuracy"] > 0.9
    sha256 = file_sha256(clone / "build" / "model" / "model.tar.gz")
    assert (clone / "build" / "model" / "model.tar.gz.sha256").read_text().startswith(sha256)
    assert (clone / "build" / "train" / "report.html").exists()
    *_, accuracy, report, following = ended.stdout.splitlines()
    assert f"Accuracy: {manifest['metrics']['test_accuracy']:.1%} of the test images" in accuracy
    assert report.split() == ["Report:", "build/train/report.html"]
    assert "make up" in following
