from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

import train
from classifier.artifact import read_artifact
from classifier.openvino_engine import OpenVinoEngine
from classifier.training.network import digest, read_state_dict

from .conftest import Run

TINY = ("--architecture", "squeezenet1_1", "--from-scratch", "--crop", "32", "--resize", "36",
        "--epochs", "1", "--batch-size", "5")  # fmt: skip


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training job: what SageMaker keeps under /opt/ml."""
    return tmp_path_factory.mktemp("job")


@pytest.fixture(scope="module")
def finished(job: Path, picture_folder: Path, run_script: Run) -> subprocess.CompletedProcess[str]:
    """A training job with the environment that SageMaker gives it, its settings in its file."""
    (job / "config").mkdir()
    hyperparameters = {
        "architecture": '"resnet18"',
        "from-scratch": "true",
        "crop": "32",
        "resize": "32",
        "epochs": "9",
        "batch_size": "4",
        "augmentation": "none",
        "sagemaker_program": "train.py",
    }
    (job / "config" / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    return run_script(
        "train.py",
        "--epochs=2",
        SM_INPUT_CONFIG_DIR=str(job / "config"),
        SM_CHANNEL_TRAIN=str(picture_folder / "train"),
        SM_CHANNEL_VALID=str(picture_folder / "valid"),
        SM_CHANNEL_TEST=str(picture_folder / "test"),
        SM_MODEL_DIR=str(job / "model"),
        SM_OUTPUT_DATA_DIR=str(job / "output"),
        SM_NUM_CPUS="1",
    )


def test_a_job_writes_an_artifact_that_is_its_state_dict(
    job: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    assert finished.returncode == 0, finished.stderr
    assert sorted(path.name for path in (job / "model").iterdir()) == [
        "manifest.json",
        "model.onnx",
    ]
    manifest = read_artifact(job / "model").manifest
    assert manifest.weights_sha256 == digest(read_state_dict(job / "output" / "weights.pt"))
    assert manifest.labels == ("dark", "light")
    assert manifest.training_data == {
        "classes": 2, "train_pictures": 12, "valid_pictures": 12, "test_pictures": 12,
    }  # fmt: skip
    assert manifest.metrics["epochs"] == 2


def test_each_epoch_has_a_line_of_metrics_and_the_manifest_the_last(
    job: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    epochs = re.findall(
        r"^epoch=(\d+) train_loss=([0-9.]+) valid_loss=([0-9.]+) valid_accuracy=([0-9.]+) ",
        finished.stdout,
        re.MULTILINE,
    )
    assert [epoch for epoch, *_ in epochs] == ["1", "2"]
    metrics = read_artifact(job / "model").manifest.metrics
    assert float(epochs[-1][2]) == pytest.approx(metrics["valid_loss"], abs=1e-4)
    test_line = re.search(r"^test_loss=\S+ test_accuracy=(\S+)", finished.stdout, re.MULTILINE)
    assert test_line is not None
    assert float(test_line[1]) == pytest.approx(metrics["test_accuracy"], abs=1e-4)


def test_what_a_job_wrote_can_be_served(
    job: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    assert finished.returncode == 0
    artifact = read_artifact(job / "model")
    OpenVinoEngine(
        artifact.model_path("fp32"),
        preprocessing=artifact.manifest.preprocessing,
        class_count=2,
        streams=1,
    ).warm_up()


def test_the_same_seed_gives_the_same_weights(picture_folder: Path, tmp_path: Path) -> None:
    digests = []
    for run in ("first", "second"):
        folders = ("--model-dir", tmp_path / run, "--output-dir", tmp_path / run)
        arguments = ("--data", picture_folder, "--seed", 1, *folders, *TINY)
        assert train.main([str(argument) for argument in arguments]) == 0
        digests.append(digest(read_state_dict(tmp_path / run / "weights.pt")))
    assert digests[0] == digests[1]


def test_a_job_that_quantizes_judges_by_the_test_pictures(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(picture_folder, tmp_path / "data"))
    folders = ("--model-dir", tmp_path / "model", "--output-dir", tmp_path / "output")
    arguments = [str(a) for a in ("--data", data, "--quantize", "true", *folders, *TINY)]
    stale = tmp_path / "model" / "model.int8.onnx"
    for held_back in (12, 6):
        stale.parent.mkdir(exist_ok=True)
        stale.write_bytes(b"of an earlier run")
        assert train.main(arguments) == 0
        assert f"int8: left out. {held_back} pictures are held back" in capsys.readouterr().out
        quantization = read_artifact(tmp_path / "model").manifest.quantization
        assert quantization is not None
        assert (quantization.shipped, quantization.calibration_pictures) == (False, held_back)
        assert not stale.exists()
        # Without a test split half of the valid pictures are held back.
        shutil.rmtree(data / "test", ignore_errors=True)


def test_training_goes_on_from_a_file_with_a_head_of_its_own(
    picture_folder: Path, weights_file: Path, tmp_path: Path
) -> None:
    arguments = (
        "--data", picture_folder, "--weights-file", weights_file, "--architecture", "resnet18",
        "--crop", 32, "--epochs", 1, "--learning-rate", 1e-9, "--weight-decay", 0,
        "--model-dir", tmp_path / "model", "--output-dir", tmp_path / "output",
    )  # fmt: skip
    assert train.main([str(argument) for argument in arguments]) == 0
    before, after = read_state_dict(weights_file), read_state_dict(tmp_path / "output/weights.pt")
    assert torch.allclose(before["conv1.weight"], after["conv1.weight"], atol=1e-6)
    assert (before["fc.weight"].shape[0], after["fc.weight"].shape[0]) == (4, 2)
    # The published proportion of 256 to 224, as no --resize was given.
    assert read_artifact(tmp_path / "model").manifest.preprocessing.resize == 37


def test_the_demos_preset_can_be_changed_by_flags(tmp_path: Path) -> None:
    options = train.parse_options(["--preset", "demo", "--epochs", "1", "--data", "x"], {})
    assert (options.name, options.from_scratch) == ("digits-resnet", True)
    assert (options.crop, options.epochs) == (32, 1)
    (tmp_path / "hyperparameters.json").write_text('{"preset": "demo", "crop": "64"}')
    job = {"SM_INPUT_CONFIG_DIR": str(tmp_path), "SM_CHANNEL_TRAIN": "a", "SM_CHANNEL_VALID": "b"}
    options = train.parse_options([], job)
    assert (options.crop, options.resize, options.folders["train"]) == (64, 32, Path("a"))


def _refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert train.main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("train.py: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "no train pictures: give --data DIR or --train DIR"),
        (["--data", "nowhere"], "nowhere/train"),
        (["--data", "x", "--epochs", "0"], "--epochs is 0; it must be above 0"),
        (["--data", "x", "--batch-size", "-1"], "--batch-size is -1"),
        (["--data", "x", "--learning-rate", "nan"], "--learning-rate is nan"),
        (["--data", "x", "--weight-decay", "-1"], "must be 0 or more"),
        (["--data", "x", "--from-scratch", "--weights-file", "y"], "exclude each other"),
        (["--data", "x", "--architecture", "resnet51"], "no classifier named 'resnet51'"),
        (["--data", "x", "--crop", "99999"], "crop <= resize <= 4096"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in _refusal(capsys, *arguments)


def test_a_crop_too_small_for_the_architecture_is_refused(
    picture_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--data", picture_folder, "--from-scratch", "--architecture", "alexnet")
    assert "try a larger --crop" in _refusal(capsys, *given, "--crop", 16)


def test_pictures_that_cannot_be_used_are_refused_by_name(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run_script: Run
) -> None:
    data = Path(shutil.copytree(picture_folder, tmp_path / "data"))
    given = ("--data", data, "--model-dir", tmp_path / "m", "--output-dir", tmp_path / "o", *TINY)
    broken = data / "train" / "dark" / "0.png"
    content = broken.read_bytes()
    broken.write_bytes(content[:100])
    assert f"{broken}: The body is not a readable" in _refusal(capsys, *given)
    # The same from a process that decodes. It is forked, and a fork of this process, which has the
    # threads of torch's exporter and of OpenVINO by now, would hang or end it.
    result = run_script("train.py", *given, "--data-workers", 1)
    assert result.returncode == 1
    assert result.stderr.startswith(f"train.py: {broken}: The body is not a readable")
    assert result.stderr.count("\n") == 1
    broken.write_bytes(content)
    (data / "valid" / "light").rename(data / "valid" / "bright")
    assert "other labels than the training pictures: ['bright', 'light']" in _refusal(
        capsys, *given
    )
    shutil.rmtree(data / "train" / "light")
    assert "has one label alone (dark)" in _refusal(capsys, *given)
    assert not (tmp_path / "m").exists()


def test_a_failed_job_says_why_where_sagemaker_looks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM_OUTPUT_DIR", str(tmp_path))
    reason = _refusal(capsys, "--data", tmp_path / "nowhere", *TINY)
    assert (tmp_path / "failure").read_text() in reason


@pytest.mark.parametrize("text", ["{", "[1]", "null"])
def test_a_damaged_file_of_hyperparameters_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
) -> None:
    (tmp_path / "hyperparameters.json").write_text(text)
    monkeypatch.setenv("SM_INPUT_CONFIG_DIR", str(tmp_path))
    assert "no JSON object of hyperparameters" in _refusal(capsys, *TINY)


def test_a_truth_value_that_is_none_is_refused() -> None:
    with pytest.raises(SystemExit) as caught:
        train.main(["--from-scratch", "perhaps"])
    assert caught.value.code == 2
