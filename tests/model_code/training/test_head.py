"""A head on the features of a frozen network: cut, fitted, grafted, and judged as it is served."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy
import onnx
import openvino  # type: ignore[import-untyped]  # it ships no types
import pytest

import train
from classifier.artifact.directory import Artifact, read_artifact
from classifier.artifact.provenance import Backbone
from classifier.training.errors import DataError, NetworkError
from classifier.training.features.cache import FeatureCache
from classifier.training.head.fitting import LabelledFeatures, cross_entropy, fit_head, scores
from classifier.training.head.graft import LinearHead, cut_head, replace_head
from classifier.training.head.judging import Judgement, accuracy_interval, calibration_error
from classifier.training.head.label_errors import by_suspicion, out_of_fold_probabilities
from tests.contract.serving.artifacts import colour_network, write_artifact

# Its features are the mean colours: a run takes a tenth of what one with a ResNet takes.
BACKBONE = "mean"


def compute(model: onnx.ModelProto, images: Any) -> Any:
    core = openvino.Core()
    network = core.read_model(model.SerializeToString())
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([images])[0]


@pytest.fixture(scope="module")
def exported(artifact_folder: Path) -> onnx.ModelProto:
    return onnx.load(artifact_folder / "model.onnx")


@pytest.mark.parametrize("kind", ["exported", "without a bias"])
def test_a_grafted_head_computes_on_the_features_of_the_cut_network(
    exported: onnx.ModelProto, kind: str
) -> None:
    model = exported if kind == "exported" else onnx.load_from_string(colour_network())
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    generator = numpy.random.default_rng(3)
    inputs = generator.normal(size=(3, 3, side, side)).astype(numpy.float32)
    cut, width = cut_head(model)
    features = compute(cut, inputs)
    assert features.shape == (3, width)
    weights, bias = generator.normal(size=(width, 7)), generator.normal(size=7)
    head = LinearHead(weights.astype(numpy.float32), bias.astype(numpy.float32))
    expected = features @ head.weights + head.bias
    grafted = compute(replace_head(model, head), inputs)
    assert numpy.abs(grafted - expected).max() < 1e-4
    assert grafted.shape == (3, 7)


def test_a_network_without_a_linear_end_is_refused(exported: onnx.ModelProto) -> None:
    with pytest.raises(NetworkError, match="ends in Softmax, not in a linear layer"):
        cut_head(onnx.load_from_string(colour_network(softmax=True)))
    head = LinearHead(numpy.zeros((5, 2), numpy.float32), numpy.zeros(2, numpy.float32))
    with pytest.raises(NetworkError, match="takes 5 features, but the network has 512"):
        replace_head(exported, head)


def noisy_classes(*counts: int, seed: int = 0) -> LabelledFeatures:
    """Two features around a centre of each class."""
    generator = numpy.random.default_rng(seed)
    classes = numpy.repeat(numpy.arange(len(counts)), counts)
    centres = numpy.array([[5.0, 0.0], [0.0, 5.0], [9.0, 9.0]])
    features = centres[classes] + generator.normal(size=(len(classes), 2)) * 2
    return LabelledFeatures(features.astype(numpy.float32), classes)


def accuracy(head: LinearHead, images: LabelledFeatures) -> float:
    return float((scores(head, images.features).argmax(axis=1) == images.classes).mean())


def test_a_fitted_head_separates_classes_and_is_the_same_again() -> None:
    train_images, valid = noisy_classes(80, 80, 80), noisy_classes(30, 30, 30, seed=1)
    fitted = fit_head(train_images, valid, class_count=3, balanced=False)
    assert accuracy(fitted.head, valid) > 0.85
    assert fitted.valid_loss == pytest.approx(cross_entropy(fitted.head, valid))
    again = fit_head(train_images, valid, class_count=3, balanced=False)
    assert numpy.array_equal(fitted.head.weights, again.head.weights)
    assert numpy.array_equal(fitted.head.bias, again.head.bias)


def test_the_penalty_is_the_one_that_suits_unseen_images() -> None:
    generator = numpy.random.default_rng(0)
    noise = generator.normal(size=(60, 50)).astype(numpy.float32)
    classes = generator.integers(0, 2, 60)
    few = LabelledFeatures(noise[:30], classes[:30])
    unseen = LabelledFeatures(noise[30:], classes[30:])
    of_noise = fit_head(few, unseen, class_count=2, balanced=False)
    of_classes = fit_head(
        noisy_classes(400, 400), noisy_classes(400, 400, seed=1), class_count=2, balanced=False
    )
    assert of_noise.penalty > of_classes.penalty


def test_without_images_to_choose_by_a_penalty_is_taken() -> None:
    nothing = LabelledFeatures(numpy.zeros((0, 2), numpy.float32), numpy.zeros(0, numpy.int64))
    fitted = fit_head(noisy_classes(40, 40), nothing, class_count=2, balanced=False)
    assert accuracy(fitted.head, noisy_classes(40, 40, seed=1)) > 0.85


def test_balanced_classes_count_the_same() -> None:
    train_images, valid = noisy_classes(400, 8), noisy_classes(100, 100, seed=1)
    recalls = []
    for balanced in (False, True):
        head = fit_head(train_images, valid, class_count=2, balanced=balanced).head
        rare = LabelledFeatures(valid.features[100:], valid.classes[100:])
        recalls.append(accuracy(head, rare))
    assert recalls[1] > recalls[0]


def test_features_are_kept_and_an_interrupted_write_is_cut_off(tmp_path: Path) -> None:
    rows = numpy.arange(12, dtype=numpy.float32).reshape(4, 3)
    digests = [f"{number:064x}" for number in range(4)]
    with closing(FeatureCache(tmp_path, 3)) as cache:
        cache.append(digests[:2], rows[:2])
        with pytest.raises(DataError, match="in use by another training run"):
            FeatureCache(tmp_path, 3)
    with (tmp_path / "features.f32").open("ab") as file:
        file.write(b"half a row and a whole one")
    with (tmp_path / "images.sha256").open("ab") as file:
        file.write(b"half")
    with closing(FeatureCache(tmp_path, 3)) as cache:
        assert [digest in cache for digest in digests] == [True, True, False, False]
        cache.append(digests[2:], rows[2:])
        assert numpy.array_equal(cache.read(digests[::-1]), rows[::-1])
        assert cache.read([]).shape == (0, 3)


def test_an_accuracy_has_its_interval() -> None:
    # Wilson's interval of 9 of 10, as published tables have it.
    assert accuracy_interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    low, high = accuracy_interval(10, 10)
    assert (low, high) == pytest.approx((0.7225, 1.0), abs=1e-4)
    judgement = Judgement(numpy.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), numpy.array([0, 1, 1]))
    assert judgement.metrics("test")["test_accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert "test_top_5_accuracy" not in judgement.metrics("test")


def run(cache: Path, data: Path, model: Path, *options: str) -> int:
    given = ("--mode", "head", "--architecture", BACKBONE, "--data", data, "--cache-dir", cache)
    folders = ("--model-dir", model, "--output-dir", cache / "output")
    return train.main([*map(str, (*given, *folders)), *options])


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder with a backbone, so that none is exported."""
    backbones = tmp_path / "cache" / "backbones"
    backbones.mkdir(parents=True)
    write_artifact(backbones / BACKBONE, class_count=6, labels=list("abcdef"))
    return tmp_path / "cache"


def artifact_of(cache: Path) -> Artifact:
    return read_artifact(cache / "backbones" / BACKBONE)


def figures(artifact: Artifact) -> dict[str, Any]:
    return dict(artifact.manifest.metrics)


def test_a_folder_becomes_an_artifact(
    cache: Path, image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    (data / "train" / "dark" / "cut.png").write_bytes(
        (data / "train" / "dark" / "0.png").read_bytes()[:-40]
    )
    assert run(cache, data, tmp_path / "model", "--name", "shades") == 0
    printed = capsys.readouterr().out
    assert re.search(r"train/dark/cut\.png: The PNG image is cut off", printed)
    assert "Accuracy on 12 images that were held back: 100.0%" in printed
    assert "To deploy it:" in printed
    artifact = read_artifact(tmp_path / "model")
    assert artifact.manifest.labels == ("dark", "light")
    assert artifact.manifest.name == "shades"
    assert figures(artifact)["test_accuracy"] == 1
    assert artifact.manifest.backbone == Backbone(
        name=BACKBONE, source="", license=None, sha256=artifact_of(cache).manifest.weights_sha256
    )
    training_data = artifact.manifest.training_data
    assert training_data["images"] == {"train": 12, "valid": 12, "test": 12}
    assert (training_data["source"], training_data["name"]) == ("folder", "data")


def test_a_run_that_was_interrupted_ends_in_the_same_bytes(
    cache: Path, image_folder: Path, tmp_path: Path
) -> None:
    assert run(cache, image_folder, tmp_path / "whole") == 0
    (features,) = (cache / "features").iterdir()
    for name, row_bytes in (("features.f32", 3 * 4), ("images.sha256", 32)):
        content = (features / name).read_bytes()
        (features / name).write_bytes(content[: row_bytes * 17 + 5])
    assert run(cache, image_folder, tmp_path / "resumed") == 0
    for name in ("model.onnx", "manifest.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (
            tmp_path / "resumed" / name
        ).read_bytes()


def test_a_training_jobs_channels_are_the_splits(
    cache: Path, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not below one folder of splits; what is not given is drawn from the training images.
    elsewhere = shutil.copytree(image_folder / "test", tmp_path / "channels" / "rest")
    folders = {"CHANNEL_TRAIN": image_folder / "train", "CHANNEL_TEST": elsewhere}
    folders |= {"MODEL_DIR": tmp_path / "model", "OUTPUT_DATA_DIR": tmp_path / "output"}
    for name, folder in folders.items():
        monkeypatch.setenv(f"SM_{name}", str(folder))
    flags = ("--mode", "head", "--architecture", BACKBONE, "--cache_dir", str(cache))
    assert train.main(flags) == 0
    training_data = read_artifact(tmp_path / "model").manifest.training_data
    assert training_data["images"] == {"train": 10, "valid": 2, "test": 12}
    assert training_data["source"] == "folders"
    monkeypatch.setenv("SM_CHANNEL_TEST", str(tmp_path / "missing"))
    assert train.main(flags) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "/nowhere"), "/nowhere: no such folder or zip"),
        (("--from-scratch",), "--mode head trains on the features of trained weights"),
        (("--crop", "64"), "preprocessing of the trained weights; leave out --crop, or use"),
        (("--interpolation", "bicubic"), "weights; leave out --interpolation, or use"),
        (("--precision", "fp16"), "argument --precision: invalid choice: 'fp16'"),
        (("--weights-file", "/nowhere.pt"), "--weights-file names a state dict"),
    ],
)
def test_what_a_head_cannot_be_trained_with(
    cache: Path,
    image_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    assert run(cache, image_folder, tmp_path / "model", *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_package_is_named(
    cache: Path,
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in ("job", "artifact_files"):
        monkeypatch.delitem(sys.modules, f"classifier.training.head.{module}")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert run(cache, image_folder, tmp_path / "model") == 1
    error = capsys.readouterr().err
    assert error.startswith("train.py: --mode head needs the package onnx, which is not installed")


def test_two_classes_of_one_image_each_are_enough(
    cache: Path, image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("dark", "light"):
        (tmp_path / "data" / label).mkdir(parents=True)
        shutil.copy(image_folder / "train" / label / "0.png", tmp_path / "data" / label)
    assert run(cache, tmp_path / "data", tmp_path / "model") == 0
    assert "the accuracy is not known" in capsys.readouterr().out
    assert figures(read_artifact(tmp_path / "model")) == {}


def test_a_damaged_backbone_is_made_again(
    cache: Path, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = cache / "backbones" / BACKBONE
    saved = shutil.copytree(backbone, tmp_path / "saved")
    (backbone / "model.onnx").write_bytes(b"half of it")
    exported: list[str] = []

    def export(architecture: str, _weights_file: Path | None, own: Path) -> None:
        exported.append(architecture)
        shutil.copytree(saved, own, dirs_exist_ok=True)

    monkeypatch.setattr("classifier.training.features.backbone._export", export)
    assert run(cache, image_folder, tmp_path / "model") == 0
    assert exported == [BACKBONE]


def test_flipped_labels_are_among_the_most_suspicious() -> None:
    images = noisy_classes(200, 200, 200)
    generator = numpy.random.default_rng(1)
    flipped = generator.choice(600, 30, replace=False)
    classes = images.classes.copy()
    classes[flipped] = (classes[flipped] + 1) % 3
    wrong = LabelledFeatures(images.features, classes)
    probabilities = out_of_fold_probabilities(wrong, class_count=3, penalty=0.01)
    most = set(by_suspicion(probabilities, classes)[:60].tolist())
    assert len(most & set(flipped.tolist())) >= 0.8 * len(flipped)


def test_the_only_image_of_a_class_is_not_suspicious() -> None:
    images = noisy_classes(40, 40, 1)
    probabilities = out_of_fold_probabilities(images, class_count=3, penalty=0.01)
    assert probabilities[80].tolist() == [0, 0, 1]
    alone = noisy_classes(1, 1)
    assert (out_of_fold_probabilities(alone, class_count=2, penalty=0.01) == numpy.eye(2)).all()


def test_a_calibration_error_is_the_gap_of_probability_and_accuracy() -> None:
    # Four images with a probability of 0.88 each, of which half are right.
    logits = numpy.array([[2.0, 0.0]] * 4)
    judgement = Judgement(logits, numpy.array([0, 1, 0, 1]))
    assert calibration_error(judgement) == pytest.approx(0.8808 - 0.5, abs=1e-4)
