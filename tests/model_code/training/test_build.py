from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

import build
from classifier.artifact.directory import read_artifact
from classifier.artifact.packing import unpack_archive
from tests.model_code.conftest import MODEL_CODE, Run
from tests.model_code.training.measured_networks import write_brightness_artifact, write_images


@pytest.fixture(scope="module")
def outputs(
    run_script: Run,
    small_weights_file: Path,
    labels_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Path]:
    """The same weights built twice: by this process, and by another one in other folders."""
    here, there = (tmp_path_factory.mktemp(name) for name in ("here", "there"))
    sources = shutil.copytree(MODEL_CODE, there / "model_code")
    shutil.copy(small_weights_file, there / "other.pt")
    given = ("--architecture", "squeezenet1_1", "--labels", str(labels_file), "--name", "fruit")
    folders = (
        ("--weights-file", str(small_weights_file), "--output", str(here / "model")),
        ("--weights-file", str(there / "other.pt"), "--output", str(there / "model")),
    )
    assert build.main([*given, *folders[0]]) == 0
    result = run_script("build.py", *given, *folders[1], folder=sources, PYTHONHASHSEED="1")
    assert result.returncode == 0, result.stderr
    assert "model.tar.gz: fruit, " in result.stdout
    return [here / "model", there / "model"]


def test_two_builders_make_the_same_bytes(outputs: list[Path]) -> None:
    for name in ("manifest.json", "model.tar.gz", "model.tar.gz.sha256"):
        first, second = (output / name for output in outputs)
        assert first.read_bytes() == second.read_bytes()


def test_nothing_of_the_builder_is_in_the_artifact(outputs: list[Path], tmp_path: Path) -> None:
    unpack_archive(outputs[0] / "model.tar.gz", tmp_path)
    for path in tmp_path.iterdir():
        for trace in (str(outputs[0].parent), str(MODEL_CODE), "model_code", "site-packages"):
            assert trace.encode() not in path.read_bytes()


def test_the_artifact_holds_labels_and_preprocessing(outputs: list[Path], tmp_path: Path) -> None:
    unpack_archive(outputs[0] / "model.tar.gz", tmp_path)
    manifest = read_artifact(tmp_path).manifest
    assert manifest.labels == ("apple", "müsli", "pear", "quince")
    assert (manifest.preprocessing.resize, manifest.preprocessing.crop) == (256, 224)
    assert (manifest.name, manifest.architecture) == ("fruit", "squeezenet1_1")
    assert sorted(path.name for path in outputs[0].iterdir()) == [
        "manifest.json",
        "model.tar.gz",
        "model.tar.gz.sha256",
    ]


def test_a_trained_folder_is_packed_as_it_is(outputs: list[Path], tmp_path: Path) -> None:
    unpack_archive(outputs[0] / "model.tar.gz", tmp_path / "trained")
    trained, output = str(tmp_path / "trained"), tmp_path / "packed"
    assert build.main(["--trained", trained, "--output", str(output)]) == 0
    assert (output / "model.tar.gz").read_bytes() == (outputs[0] / "model.tar.gz").read_bytes()


def test_a_trained_folder_is_quantized_in_the_archive_alone(tmp_path: Path) -> None:
    trained = write_brightness_artifact(tmp_path / "trained")
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    images = write_images(tmp_path / "images", 100)
    given = ("--trained", trained, "--output", tmp_path / "output", "--calibration", images)
    assert build.main([*map(str, given), "--quantize"]) == 0
    unpack_archive(tmp_path / "output" / "model.tar.gz", tmp_path / "unpacked")
    manifest = read_artifact(tmp_path / "unpacked").manifest
    assert manifest.precisions == ("fp32", "int8")
    assert manifest.fast_decoding is not None
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before
    # What has an int8 network already is packed with it, and measured again without it.
    output = tmp_path / "again"
    assert build.main(["--trained", str(tmp_path / "unpacked"), "--output", str(output)]) == 0
    archives = [folder / "model.tar.gz" for folder in (output, tmp_path / "output")]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    given = ("--trained", tmp_path / "unpacked", "--output", output, "--calibration", images)
    assert build.main([*map(str, given)]) == 0
    unpack_archive(output / "model.tar.gz", tmp_path / "measured")
    measured = read_artifact(tmp_path / "measured").manifest
    assert (measured.precisions, measured.quantization) == (("fp32",), None)
    assert measured.fast_decoding is not None
    assert measured.fast_decoding.images == 100


def test_a_trained_folder_gets_an_fp16_network_and_a_record_of_bf16(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = write_brightness_artifact(tmp_path / "trained")
    images = write_images(tmp_path / "my images", 60, labelled=False)
    given = ["--trained", str(trained), "--output", str(tmp_path / "output")]
    sixteen_bits = ("--half-precision", "--bf16")
    assert build.main([*given, *sixteen_bits, "--calibration", str(images)]) == 0
    unpack_archive(tmp_path / "output" / "model.tar.gz", tmp_path / "unpacked")
    assert read_artifact(tmp_path / "unpacked").manifest.precisions == ("bf16", "fp16", "fp32")
    capsys.readouterr()
    for flag in sixteen_bits:
        with pytest.raises(SystemExit):
            build.main([*given, flag])
        assert f"{flag} needs images" in capsys.readouterr().err


def test_weights_are_quantized_with_a_flat_folder(
    small_weights_file: Path, labels_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = write_images(tmp_path / "images", 4, labelled=False)
    given = (
        "--architecture", "squeezenet1_1", "--weights-file", small_weights_file,
        "--labels", labels_file, "--output", tmp_path / "output", "--quantize",
        "--calibration", images,
    )  # fmt: skip
    assert build.main([*map(str, given)]) == 0
    assert "int8: left out. 2 images are held back" in capsys.readouterr().out
    manifest = (tmp_path / "output" / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(manifest)["quantization"]["shipped"] is False
    for path in images.iterdir():
        path.write_bytes(path.read_bytes()[:60])
    trained = write_brightness_artifact(tmp_path / "trained")
    again = ("--trained", trained, *given[6:])
    assert ".png: The PNG image is cut off" in _refusal(capsys, *again)


def test_calibration_images_that_are_not_there_are_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--architecture", "resnet18", "--calibration", tmp_path / "missing")
    reason = _refusal(capsys, *given, "--output", tmp_path / "output")
    assert "missing is no folder; --calibration names one" in reason
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("kind", ["weight", "label"])
def test_a_trained_folder_that_cannot_be_served_is_refused(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = write_brightness_artifact(
        tmp_path / "trained", outlier=float("nan") if kind == "weight" else 1
    )
    manifest = read_artifact(trained).manifest
    if kind == "label":
        manifest = dataclasses.replace(manifest, labels=("dark", "li\x07ght"))
        (trained / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    reason = _refusal(capsys, "--trained", trained, "--output", tmp_path / "output")
    expected = {
        "weight": "the weights are not finite: channels.weight has 3 values of NaN",
        "label": "label 2 has the control character '\\x07'",
    }
    assert expected[kind] in reason
    assert not (tmp_path / "output").exists()


def _refusal(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 1) -> str:
    assert build.main([str(argument) for argument in arguments]) == status
    error = capsys.readouterr().err
    assert error.startswith("build.py: ")
    assert error.count("\n") == 1
    return error


def test_a_changed_trained_folder_is_refused(
    outputs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack_archive(outputs[0] / "model.tar.gz", tmp_path)
    manifest = tmp_path / "manifest.json"
    document = json.loads(manifest.read_text(encoding="utf-8"))
    document["labels"].reverse()
    manifest.write_text(json.dumps(document), encoding="utf-8")
    reason = _refusal(capsys, "--trained", tmp_path, "--output", tmp_path / "output")
    assert "changed after the build" in reason
    assert not (tmp_path / "output").exists()


def test_labels_that_do_not_fit_are_refused(
    weights_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--architecture", "resnet18", "--weights-file", weights_file, "--output", tmp_path)
    assert "4 classes, but ImageNet (ResNet18_Weights.IMAGENET1K_V1) has 1000" in _refusal(
        capsys, *given
    )
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    reason = _refusal(capsys, *given, "--labels", tmp_path / "labels.txt")
    assert "labels.txt has 2 labels; give the right ones with --labels" in reason


def test_weights_of_another_architecture_are_refused(
    weights_file: Path, labels_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--weights-file", weights_file, "--labels", labels_file, "--output", tmp_path)
    reason = _refusal(capsys, "--architecture", "mobilenet_v2", "--resize", 256, *given)
    assert "the weights are not of mobilenet_v2" in reason
    reason = _refusal(capsys, "--architecture", "resnet34", *given)
    assert "96 missing" in reason


def test_an_unknown_architecture_and_a_missing_file_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = _refusal(capsys, "--architecture", "resnet51", "--output", tmp_path)
    assert "no classifier named 'resnet51'" in reason
    missing = tmp_path / "missing.pt"
    reason = _refusal(capsys, "--architecture", "resnet18", "--weights-file", missing)
    assert f"{missing} cannot be read: No such file" in reason
    empty = tmp_path / "empty.pt"
    torch.save({}, empty)
    reason = _refusal(capsys, "--architecture", "resnet18", "--weights-file", empty)
    assert "the weights are not of resnet18" in reason


def test_a_failed_download_has_an_exit_status_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    given = ("--architecture", "resnet18", "--output", tmp_path / "model")
    assert build.main([str(argument) for argument in given]) == 3
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert last_line.startswith("build.py: https://download.pytorch.org/models/resnet18-")
    assert "cannot be downloaded" in last_line


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--architecture", "resnet18", "--trained", "x"],
        ["--trained", "x", "--name", "y"],
        ["--trained", "x", "--quantize"],
    ],
)
def test_options_that_exclude_each_other_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build.main(arguments)
    assert caught.value.code == 2
