from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import torch
from PIL import Image

import train
from classifier.artifact.directory import read_artifact
from classifier.artifact.provenance import Backbone
from classifier.training import export
from classifier.training.command_line import parse_options
from classifier.training.finetune import artifact
from classifier.training.weights.network import digest, read_state_dict
from tests.model_code.conftest import MODEL_CODE

TINY = ("--architecture", "squeezenet1_1", "--from-scratch", "--crop", "32", "--resize", "36",
        "--epochs", "1", "--batch-size", "5")  # fmt: skip


@pytest.fixture(scope="module")
def quantized(
    image_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, tuple[Path, str]]:
    """Two jobs that quantize, with test images and without: folder and output of each.

    The keys are the numbers of images that are held back: without test images, half of the valid
    images are.
    """
    folder = tmp_path_factory.mktemp("quantized")
    data = Path(shutil.copytree(image_folder, folder / "data"))
    jobs: dict[int, tuple[Path, str]] = {}
    for held_back in (12, 6):
        job = folder / str(held_back)
        (job / "model").mkdir(parents=True)
        (job / "model" / "model.int8.onnx").write_bytes(b"of an earlier run")
        folders = ("--model-dir", job / "model", "--output-dir", job / "output")
        given = ("--data", data, "--seed", 1, "--quantize", "true", *folders, *TINY)
        with (
            contextlib.redirect_stdout(io.StringIO()) as printed,
            pytest.MonkeyPatch.context() as patch,
        ):
            if jobs:
                # Exporting takes seconds, and what is judged here does not depend on the weights.
                exported = onnx.load(jobs[12][0] / "model" / "model.onnx")
                patch.setattr(export, "_export_onnx", lambda *_, model=exported: model)
            assert train.main([str(argument) for argument in given]) == 0
        jobs[held_back] = (job, printed.getvalue())
        shutil.rmtree(data / "test", ignore_errors=True)
        # With one training image a class, no test can be drawn.
        for image in data.glob("train/*/[1-9].png"):
            image.unlink()
    return jobs


@pytest.mark.parametrize("held_back", [12, 6])
def test_a_job_that_quantizes_judges_by_the_test_images(
    quantized: dict[int, tuple[Path, str]], held_back: int
) -> None:
    job, printed = quantized[held_back]
    assert f"int8: left out. {held_back} images are held back" in printed
    quantization = read_artifact(job / "model").manifest.quantization
    assert quantization is not None
    assert (quantization.shipped, quantization.calibration_images) == (False, held_back)
    assert not (job / "model" / "model.int8.onnx").exists()


def test_the_artifact_describes_the_test_images_and_the_data(
    quantized: dict[int, tuple[Path, str]],
) -> None:
    with_test, without_test = (quantized[held_back][0] for held_back in (12, 6))
    manifest = read_artifact(with_test / "model").manifest
    content = (with_test / "output" / "dataset.jsonl").read_bytes()
    assert manifest.training_data == {
        "source": "folder",
        "name": "data",
        "version": hashlib.sha256(content).hexdigest()[:12],
        "images": {"train": 12, "valid": 12, "test": 12},
        "judged_by": f"openvino {importlib.metadata.version('openvino')}",
    }
    assert content.count(b"\n") == 36
    assert b'"file": "test/dark/0.png", "split": "test", "label": "dark"' in content
    assert manifest.metrics["test_images"] == 12
    assert manifest.baseline is not None
    assert manifest.baseline.images == 12
    assert manifest.backbone is None  # from random weights
    assert len(list((with_test / "model" / "samples").iterdir())) == 6
    manifest = read_artifact(without_test / "model").manifest
    assert manifest.baseline is None
    assert "test_images" not in manifest.metrics
    assert manifest.metrics["valid_images"] == 12
    assert not (without_test / "model" / "samples").exists()


def test_the_report_is_that_of_the_network_that_was_trained(
    quantized: dict[int, tuple[Path, str]],
) -> None:
    for held_back, judged in ((12, "test"), (6, "valid")):
        job, printed = quantized[held_back]
        manifest = read_artifact(job / "model").manifest
        report = (job / "output" / "report.html").read_text(encoding="utf-8")
        right = round(manifest.metrics[f"{judged}_accuracy"] * 12)
        assert f"right: {right} of 12 images that the model has not seen" in report
        assert f"Accuracy on 12 images that were held back: {right / 12:.1%}" in printed
        # What needs the features of a frozen network is explained, not shown as nothing found.
        assert "Not looked for: they are found by the features of a frozen network" in report
        assert "Probably wrong labels</dt>" not in report
        assert f"Report: {job / 'output' / 'report.html'}" in printed


def test_the_same_seed_gives_the_same_weights(
    quantized: dict[int, tuple[Path, str]],
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the test images are, which no weight depends on."""
    monkeypatch.setattr(artifact, "write_artifact", lambda *_: None)
    monkeypatch.setattr(
        artifact, "judge_and_report", lambda *_: SimpleNamespace(name="", identity="")
    )
    generator = torch.Generator().manual_seed(1)
    for label in ("dark", "light"):
        (tmp_path / "test" / label).mkdir(parents=True)
        pixels = torch.randint(255, (20, 30, 3), generator=generator).to(torch.uint8).numpy()
        Image.fromarray(pixels).save(tmp_path / "test" / label / "other.png")
    folders = ("--model-dir", tmp_path / "model", "--output-dir", tmp_path / "output")
    given = ("--data", image_folder, "--test", tmp_path / "test", "--seed", 1, *folders, *TINY)
    assert train.main([str(argument) for argument in given]) == 0
    weights = [folder / "output/weights.pt" for folder in (quantized[12][0], tmp_path)]
    assert len({digest(read_state_dict(path)) for path in weights}) == 1


def test_training_goes_on_from_a_file_with_a_head_of_its_own(
    image_folder: Path, small_weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = []
    # Without the export, which takes seconds and which other tests have.
    monkeypatch.setattr(artifact, "write_artifact", lambda *given: described.append(given[1]))
    monkeypatch.setattr(
        artifact, "judge_and_report", lambda *_: SimpleNamespace(name="", identity="")
    )
    arguments = (
        "--data", image_folder, "--weights-file", small_weights_file, "--architecture",
        "squeezenet1_1",
        "--crop", 32, "--epochs", 1, "--learning-rate", 1e-9, "--weight-decay", 0,
        "--model-dir", tmp_path / "model", "--output-dir", tmp_path / "output",
    )  # fmt: skip
    assert train.main([str(argument) for argument in arguments]) == 0
    before, after = (
        read_state_dict(path) for path in (small_weights_file, tmp_path / "output" / "weights.pt")
    )
    first, head = "features.0.weight", "classifier.1.weight"
    assert torch.allclose(before[first], after[first], atol=1e-6)
    assert (before[head].shape[0], after[head].shape[0]) == (4, 2)
    (description,) = described
    # The published proportion of 256 to 224, as no --resize was given.
    assert description.preprocessing.resize == 37
    assert description.backbone == Backbone(
        name="squeezenet1_1", source="weights file", license=None, sha256=digest(before)
    )


def test_the_demos_preset_can_be_changed_by_flags() -> None:
    options = parse_options(["--preset", "demo", "--epochs", "1", "--data", "x"], {}, None)
    assert (options.name, options.from_scratch) == ("digits-resnet", True)
    assert (options.crop, options.epochs) == (32, 1)
    job = {"SM_CHANNEL_TRAIN": "a", "SM_CHANNEL_VALID": "b"}
    options = parse_options(["--preset", "demo", "--crop", "64"], job, None)
    assert (options.crop, options.resize, options.folders["train"]) == (64, 32, Path("a"))


@pytest.mark.parametrize(
    "flags",
    [
        ["--batch-size", "4", "--weight-decay=-0", "--from-scratch"],
        ["--batch_size", "4", "--weight_decay=-0", "--from_scratch", "True"],
        ["--batch_size=4", "--weight_decay", "-0", "--from-scratch=true"],
    ],
)
def test_a_flag_may_have_underscores(flags: list[str]) -> None:
    options = parse_options(["--data", "a_b", "--name", "c_d", *flags], {}, None)
    assert (options.batch_size, options.weight_decay, options.from_scratch) == (4, 0, True)
    # Values stay as they are.
    assert (options.folders["train"], options.name) == (Path("a_b/train"), "c_d")


def _refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert train.main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("train.py: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "no train images: give --data DIR or --train DIR"),
        (["--data", "nowhere"], "nowhere: no such folder or zip"),
        (["--train", "nowhere", "--valid", "x"], "nowhere: no such folder; expected the train"),
        (["--data", "x", "--epochs", "0"], "--epochs is 0; it must be above 0"),
        (["--data", "x", "--batch-size", "-1"], "--batch-size is -1"),
        (["--data", "x", "--learning-rate", "nan"], "--learning-rate is nan"),
        (["--data", "x", "--weight-decay", "-1"], "--weight-decay is -1.0; it must be 0 or more"),
        (["--data", "x", "--patience", "-2"], "--patience is -2; it must be 0 or more"),
        (["--data", "x", "--data-workers", "-2"], "--data-workers is -2"),
        (["--data", "x", "--backbone-learning-rate", "0"], "--backbone-learning-rate is 0.0"),
        (["--data", "x", "--from-scratch", "--weights-file", "y"], "exclude each other"),
        (["--data", "x", "--bach-size", "4"], "option --bach-size: did you mean --batch-size?"),
        (["--data", "x", "--learning_rat=1"], "--learning-rat: did you mean --learning-rate?"),
        (["--data", "x", "--zzz"], "unknown option --zzz: expected one of --help, --preset,"),
        (["--data", "x", "--name", "my", "model"], "unexpected argument 'model'"),
        (["--data", "x", "--epochs", "three"], "argument --epochs: invalid int value: 'three'"),
        (["--data", "x", "--epochs"], "argument --epochs: expected one argument"),
        (["--data", "x", "--from-scratch", "perhaps"], "'perhaps' is neither true nor false"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in _refusal(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--architecture", "resnet51"], "no classifier named 'resnet51'"),
        (["--crop", "99999"], "crop = 99999, expected a number of pixels from 1 to 4096"),
    ],
)
def test_what_no_network_can_be_is_refused(
    image_folder: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in _refusal(capsys, "--data", image_folder, *arguments)


def test_a_crop_too_small_for_the_architecture_is_refused(
    image_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--data", image_folder, "--from-scratch", "--architecture", "alexnet")
    assert "try a larger --crop" in _refusal(capsys, *given, "--crop", 16)


def test_a_folder_that_does_not_exist_is_refused_before_torch_is_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["--data", str(tmp_path / "nowhere")]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"train.py: {tmp_path / 'nowhere'}: no such folder or zip;")
    assert "--data names the images" in printed.err
    assert printed.out == ""


# An image is damaged after it was decoded once.
DAMAGED_LATER = """\
import sys
from pathlib import Path
sys.path.insert(0, {model_code!r})
import train
from classifier.training.finetune import images
find = images.find_dataset
def find_then_damage(*arguments):
    found = find(*arguments)
    path = Path({broken!r})
    path.write_bytes(path.read_bytes()[:100])
    return found
from classifier.training.finetune import job
job.find_dataset = find_then_damage
train.run_program(train.main)
"""


def test_an_image_that_is_damaged_meanwhile_is_named_by_the_process_that_decodes(
    image_folder: Path, tmp_path: Path
) -> None:
    """In a process of its own.

    The one that decodes is forked, and a fork of this process, which has the threads of torch's
    exporter and of OpenVINO by now, would hang or end it.
    """
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    broken = data / "train" / "dark" / "0.png"
    given = ("--data", data, "--model-dir", tmp_path / "m", "--output-dir", tmp_path / "o", *TINY)
    program = DAMAGED_LATER.format(model_code=str(MODEL_CODE), broken=str(broken))
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, given), "--data-workers", "1"],
        capture_output=True, check=False, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith(f"train.py: {broken}: The PNG image is cut off")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_folders_that_cannot_be_used_are_refused_by_name(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    given = ("--data", data, "--model-dir", tmp_path / "m", "--output-dir", tmp_path / "o", *TINY)
    (data / "valid" / "light").rename(data / "valid" / "bright")
    assert "has no training images of 'bright'; each class of valid/" in _refusal(capsys, *given)
    shutil.rmtree(data / "valid" / "bright")
    shutil.rmtree(data / "test" / "light")
    shutil.rmtree(data / "train" / "light")
    assert "has one class alone (dark)" in _refusal(capsys, *given)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bach_size", "4"],
        ["--epochs", "three"],
        ["--data", "nowhere"],
        ["--data", "x", *TINY],
        # As Python has a file name that is not UTF-8.
        ["--data", "a line\nbreak and \udcff", *TINY],
    ],
)
def test_a_failed_job_says_why_where_sagemaker_looks(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SM_OUTPUT_DIR", str(tmp_path / "output"))
    error = _refusal(capsys, *arguments)
    assert error == f"train.py: {(tmp_path / 'output' / 'failure').read_text()}\n"
    assert error.count("\n") == 1
    if "\n" in arguments[1]:
        assert error.startswith(r"train.py: a line\nbreak and \udcff: no such folder")


def test_on_a_laptop_the_last_lines_are_the_commands_that_deploy_it(
    quantized: dict[int, tuple[Path, str]],
    image_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of them is run as it stands; tests/local does the same with `make up`'s tool."""
    trained = tmp_path / "my model"
    # What another run left: training once is enough.
    shutil.copytree(quantized[12][0] / "model", trained)
    monkeypatch.setattr("classifier.training.finetune.job.train", lambda *_: None)
    folders = ("--model-dir", trained, "--output-dir", tmp_path / "output")
    given = ("--data", image_folder, *folders, *TINY)
    assert train.main([str(argument) for argument in given]) == 0
    *_, blank, heading, pack, make = capsys.readouterr().out.splitlines()
    assert (blank, heading) == ("", "To deploy it:")
    python, script, *arguments = shlex.split(pack)
    assert arguments == ["--trained", str(trained), "--output", os.path.relpath("build/model")]
    assert make.split() == ["make", "up"]
    arguments[-1] = str(tmp_path / "packed")
    subprocess.run([python, script, *arguments], check=True, timeout=120)
    assert (tmp_path / "packed" / "model.tar.gz").is_file()


def test_a_tool_that_goes_on_by_itself_does_without_the_commands(
    image_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("classifier.training.finetune.job.train", lambda *_: None)
    given = ["--data", image_folder, "--model-dir", tmp_path, "--output-dir", tmp_path, *TINY]
    printed = {}
    for value in ("1", "0"):
        monkeypatch.setenv("WHIPPET_NEXT_COMMANDS", value)
        assert train.main([*map(str, given)]) == 0
        printed[value] = capsys.readouterr().out
    assert "To deploy it:" in printed["1"]
    # What is said at the start is said either way; nothing follows it.
    assert printed["0"] == "loading torch\n"
