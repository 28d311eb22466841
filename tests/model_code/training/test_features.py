"""Features of images: by OpenVINO and by torch, at any precision, and after any interruption."""

from __future__ import annotations

import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy
import openvino  # type: ignore[import-untyped]  # it ships no types
import pytest
import torch

import train
from classifier.artifact.directory import Artifact, file_sha256, read_artifact
from classifier.image.preprocessing import FloatArray
from classifier.training.cores import core_count
from classifier.training.dataset.scanning import scan_folder
from classifier.training.features import extraction, runtime
from classifier.training.features.backbone import Backbone, load_backbone
from classifier.training.features.dataset_features import compute_features, open_cache
from classifier.training.features.extraction import Output
from classifier.training.head.fitting import LabelledFeatures, fit_head, scores
from tests.contract.serving.artifacts import write_artifact
from tests.model_code.training.exported_network import CROP
from tests.model_code.training.measured_networks import write_colours

OPTIONAL = ("openvino", "scipy", "timm", "nncf", "onnxruntime")


@pytest.fixture
def cache(artifact_folder: Path, weights_file: Path, tmp_path: Path) -> Path:
    """A folder with the backbone of `weights_file`, so that none is exported."""
    name = f"resnet18-{file_sha256(weights_file)[:12]}"
    shutil.copytree(artifact_folder, tmp_path / "cache" / "backbones" / name)
    return tmp_path / "cache"


@pytest.fixture
def without_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with torch, torchvision and onnx alone."""
    for name in [*OPTIONAL, "scipy.optimize", "classifier.engines.openvino_engine"]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def backbone(cache: Path, weights_file: Path) -> Backbone:
    return load_backbone("resnet18", cache / "backbones", weights_file)


def run(cache: Path, data: Path, model: Path, weights_file: Path, *options: str) -> int:
    given = ("--mode", "head", "--architecture", "resnet18", "--weights-file", weights_file)
    folders = ("--cache-dir", cache, "--model-dir", model, "--output-dir", cache / "output")
    return train.main([*map(str, (*given, "--data", data, *folders)), *options])


def outputs(network: runtime.ImageNetwork, paths: list[Path]) -> list[Output]:
    received: list[Output] = []

    def receive(place: int, output: Output) -> None:
        assert place == len(received)
        received.append(output)

    with closing(network):
        network.run(paths, receive)
    return received


def predicted(artifact: Artifact) -> Any:
    generator = numpy.random.default_rng(9)
    images = generator.normal(size=(20, 3, CROP, CROP)).astype(numpy.float32)
    core = openvino.Core()
    return core.compile_model(core.read_model(artifact.model_path("fp32")), "CPU")(images)[0]


@pytest.mark.usefixtures("without_optional")
def test_torch_alone_trains_the_same_head_and_says_so(
    cache: Path,
    image_folder: Path,
    weights_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(cache, image_folder, tmp_path / "by torch", weights_file) == 0
    assert "is not installed: judged by torch 2." in capsys.readouterr().out
    report = (cache / "output" / "report.html").read_text()
    assert "computed by <bdi>torch 2." in report
    artifact = read_artifact(tmp_path / "by torch")
    assert artifact.manifest.training_data["judged_by"].startswith("torch 2.")
    assert artifact.manifest.metrics["test_accuracy"] == 1
    assert not {"openvino", "scipy"} & artifact.manifest.libraries.keys()
    monkeypatch.undo()
    assert run(cache, image_folder, tmp_path / "with all", weights_file) == 0
    assert "judged by torch" not in capsys.readouterr().out
    assert "computed by <bdi>torch" not in (cache / "output" / "report.html").read_text()
    (cache / "output" / "report.html").unlink()
    assert run(cache, image_folder, tmp_path / "alone", weights_file, "--report=false") == 0
    assert "probably wrong" not in capsys.readouterr().out
    assert not (cache / "output" / "report.html").exists()
    other = read_artifact(tmp_path / "with all")
    assert read_artifact(tmp_path / "alone").manifest.metrics == other.manifest.metrics
    assert other.manifest.training_data["judged_by"].startswith("openvino ")
    assert {"openvino", "scipy"} <= other.manifest.libraries.keys()
    # These images are separated so well that the fits end early, one a little later than the other.
    assert numpy.corrcoef(predicted(artifact).ravel(), predicted(other).ravel())[0, 1] > 0.999


def test_torch_computes_the_features_that_openvino_does(
    backbone: Backbone, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no image")
    # More than a batch, and one that cannot be decoded.
    paths = [*sorted((image_folder / "train").rglob("*.png")), damaged, damaged.parent / "gone"]
    paths += sorted((image_folder / "test").rglob("*.png"))
    served = outputs(runtime.open_backbone(backbone, "fp32"), paths)
    monkeypatch.setitem(sys.modules, "openvino", None)
    by_torch = outputs(runtime.open_backbone(backbone, "fp32"), paths)
    assert [each.problem for each in by_torch] == [each.problem for each in served]
    assert sum(each.values is None for each in by_torch) == 2
    for one, other in zip(by_torch, served, strict=True):
        if one.values is not None and other.values is not None:
            assert one.values.shape == (512,)
            assert numpy.abs(one.values - other.values).max() < 1e-4


@pytest.mark.parametrize("installed", ["openvino", "torch alone"])
def test_bf16_features_are_near_those_of_fp32_and_kept_apart(
    backbone: Backbone,
    cache: Path,
    image_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    installed: str,
) -> None:
    if installed == "torch alone":
        monkeypatch.setitem(sys.modules, "openvino", None)
    paths = sorted((image_folder / "train").rglob("*.png"))[::3]
    exact, rounded = (
        numpy.stack([each.values for each in found if each.values is not None])
        for found in (
            outputs(runtime.open_backbone(backbone, precision), paths)
            for precision in ("fp32", "bf16")
        )
    )
    assert numpy.abs(rounded - exact).max() < 0.05 * numpy.abs(exact).max()
    if installed == "torch alone":
        # OpenVINO computes in fp32 where the processor has no bf16.
        assert not numpy.array_equal(rounded, exact)
    folders = set()
    for precision in ("fp32", "bf16"):
        open_cache(backbone, cache, precision).close()
        folders.add(len(list((cache / "features").iterdir())))
    assert folders == {1, 2}


def test_without_bf16_the_features_are_those_of_fp32(
    backbone: Backbone,
    cache: Path,
    image_folder: Path,
    weights_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runtime, "has_bf16", lambda: False)
    options = ("--precision", "bf16", "--report=false")
    assert run(cache, image_folder, tmp_path / "model", weights_file, *options) == 0
    assert "--precision bf16: this machine has no bf16" in capsys.readouterr().out
    open_cache(backbone, cache, "fp32").close()
    assert len(list((cache / "features").iterdir())) == 1


@pytest.mark.parametrize("device", ["processor", "GPU", "processor without OpenVINO"])
@pytest.mark.parametrize("has_it", [True, False])
def test_what_computes_the_features_decides_whether_there_is_bf16(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    device: str,
    has_it: bool,
) -> None:
    is_gpu = device == "GPU"
    if device != "processor":
        monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device != "processor without OpenVINO")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_it and is_gpu)
    monkeypatch.setattr(runtime, "has_bf16", lambda: has_it and not is_gpu)
    assert runtime.usable_precision("bf16") == ("bf16" if has_it else "fp32")
    assert ("has no bf16" in capsys.readouterr().out) is not has_it
    assert runtime.usable_precision("fp32") == "fp32"
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("without_optional")
def test_features_of_torch_that_were_interrupted_end_in_the_same_bytes(
    backbone: Backbone, image_folder: Path, tmp_path: Path
) -> None:
    scan = scan_folder(image_folder)

    def computed() -> FloatArray:
        with closing(open_cache(backbone, tmp_path, "fp32")) as cache:
            assert compute_features(scan, backbone, cache, "fp32") == []
            return cache.read([image.sha256 for image in scan.images])

    whole = computed()
    (features,) = (tmp_path / "features").iterdir()
    for name, row_bytes in (("features.f32", 512 * 4), ("images.sha256", 32)):
        content = (features / name).read_bytes()
        (features / name).write_bytes(content[: row_bytes * 21 + 5])
    assert numpy.array_equal(computed(), whole)
    # The image of a batch that was there already is not written again.
    assert (features / "images.sha256").stat().st_size == len(scan.images) * 32


def test_torch_fits_the_head_that_scipy_does(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = numpy.random.default_rng(2)
    classes = generator.integers(0, 5, 300)
    features: FloatArray = generator.normal(size=(300, 12)).astype(numpy.float32)
    features[numpy.arange(300), classes] += 1.5
    train_images = LabelledFeatures(features[:200], classes[:200])
    valid = LabelledFeatures(features[200:], classes[200:])
    by_scipy = fit_head(train_images, valid, class_count=5, balanced=True)
    monkeypatch.setitem(sys.modules, "scipy", None)
    by_torch = fit_head(train_images, valid, class_count=5, balanced=True)
    assert by_torch.penalty == by_scipy.penalty
    assert by_torch.valid_loss == pytest.approx(by_scipy.valid_loss, rel=1e-3)
    difference = scores(by_torch.head, features) - scores(by_scipy.head, features)
    assert numpy.abs(difference).max() < 0.1
    again = fit_head(train_images, valid, class_count=5, balanced=True)
    assert numpy.array_equal(again.head.weights, by_torch.head.weights)


def test_few_images_are_in_memory_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backbones").mkdir()
    write_artifact(tmp_path / "backbones" / "mean", class_count=6, labels=list("abcdef"))
    backbone = load_backbone("mean", tmp_path / "backbones")
    paths = sorted(write_colours(tmp_path / "data", 90).rglob("*.png"))
    decoded: list[Path] = []
    most = 0
    decode = extraction.read_crop

    def count(path: Path, *others: Any) -> Any:
        decoded.append(path)
        return decode(path, *others)

    def receive(place: int, _output: Output) -> None:
        nonlocal most
        most = max(most, len(decoded) - place)

    monkeypatch.setattr(extraction, "read_crop", count)
    with closing(runtime.open_backbone(backbone, "fp32")) as network:
        network.run(paths, receive)
    assert len(decoded) == 90
    assert most <= min(60, 5 * core_count())
