"""What is written about the images of a run: baseline, samples, dataset manifest, suspicion."""

from __future__ import annotations

import hashlib
import io
import json
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import openvino  # type: ignore[import-untyped]  # it ships no types
import pytest
from PIL import Image

import train
from classifier.artifact.directory import read_artifact
from classifier.artifact.manifest import Manifest
from classifier.image.preprocessing import normalise
from classifier.image.resizing import resize_centre
from classifier.training.samples import choose_samples
from tests.contract.serving.artifacts import write_artifact

# Its features are the mean colours; its labels are six, so that its own head is not a square.
BACKBONE = "mean"
Train = Callable[..., Path]


def train_head(root: Path, data: Path, *options: str) -> Path:
    """Train a head on a folder; write `model` and `output` into `root`, and return that."""
    backbone = root / "cache" / "backbones" / BACKBONE
    if not backbone.exists():
        backbone.parent.mkdir(parents=True)
        write_artifact(backbone, class_count=6, labels=list("abcdef"))
    given = ["--mode", "head", "--architecture", BACKBONE, "--data", str(data)]
    for flag, folder in (("--cache-dir", "cache"), ("--model-dir", "model")):
        given += [flag, str(root / folder)]
    assert train.main([*given, "--output-dir", str(root / "output"), *options]) == 0
    return root


@pytest.fixture
def head_of(tmp_path: Path) -> Train:
    """Train a head on a folder; return a folder with `model` and `output`."""
    return partial(train_head, tmp_path)


@pytest.fixture(scope="module")
def shades(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a head that tells dark images from light ones left."""
    return train_head(tmp_path_factory.mktemp("shades"), image_folder)


def manifest_of(run: Path) -> Manifest:
    return read_artifact(run / "model").manifest


def jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def test_the_baseline_is_that_of_the_test_images(shades: Path, image_folder: Path) -> None:
    manifest = manifest_of(shades)
    compiled = openvino.Core().compile_model(
        shades / "model" / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    figures = []
    for path in sorted((image_folder / "test").rglob("*.png")):
        crop = numpy.asarray(resize_centre(Image.open(path).convert("RGB"), manifest.preprocessing))
        logits = compiled([normalise(crop, manifest.preprocessing)[numpy.newaxis]])[0][0]
        probabilities = numpy.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        green = crop[:, :, 1].astype(float) / 255
        steps = [abs(numpy.diff(green, axis=axis)).ravel() for axis in (0, 1)]
        figures.append((
            probabilities.max(),
            -(probabilities * numpy.log(probabilities)).sum(),
            (crop / 255 @ [0.299, 0.587, 0.114]).mean(),
            numpy.concatenate(steps).mean(),
            probabilities.argmax(),
        ))  # fmt: skip
    columns = numpy.array(figures).T
    baseline = manifest.baseline
    assert baseline is not None
    assert baseline.images == 12
    found = (baseline.top_probability, baseline.entropy, baseline.brightness, baseline.sharpness)
    for distribution, values in zip(found, columns, strict=False):
        assert distribution.mean == pytest.approx(values.mean(), abs=1e-4)
        assert distribution.std == pytest.approx(values.std(), abs=1e-4)
    shares = [(columns[4] == index).mean() for index in (0, 1)]
    assert baseline.class_shares == pytest.approx(shares, abs=1e-5)


def write_photos(folder: Path, label: str, count: int, brightness: int) -> None:
    """Photos as a telephone writes them: upright by their EXIF alone, with a description."""
    (folder / label).mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "the house of Ada"
    for seed in range(count):
        pixels = numpy.random.default_rng([brightness, seed]).integers(
            brightness, brightness + 60, (24, 32, 3)
        )
        image = Image.fromarray(pixels.astype(numpy.uint8)).resize((1200, 900))
        image.save(
            folder / label / f"{seed}.jpg", exif=exif, comment=b"secret", icc_profile=b"profile"
        )


def test_samples_are_small_upright_and_without_metadata(head_of: Train, tmp_path: Path) -> None:
    write_photos(tmp_path / "data", "Größe 7", 7, 20)
    write_photos(tmp_path / "data", "猫", 7, 160)
    run = head_of(tmp_path / "data", "--samples", "2")
    samples = sorted((run / "model" / "samples").iterdir())
    assert [path.name for path in samples] == ["01-groe-7.jpg", "02-class-1.jpg"]
    for path in samples:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            assert (image.size, image.format) == ((384, 512), "JPEG")
            assert not image.getexif()
            assert not {"comment", "icc_profile", "exif"} & image.info.keys()
        for trace in (b"Ada", b"secret", b"profile", b"Exif"):
            assert trace not in content
    assert "samples" not in json.loads((run / "model" / "manifest.json").read_text())
    head_of(tmp_path / "data", "--samples", "0")
    assert not (run / "model" / "samples").exists()


def test_right_images_of_different_classes_are_chosen() -> None:
    # Two images of each of five classes; the second is certain; class 3 is taken for class 4.
    classes = numpy.repeat(numpy.arange(5), 2)
    probabilities = numpy.full((10, 5), 0.1)
    for place, index in enumerate(classes.tolist()):
        probabilities[place, 4 if index == 3 else index] = 0.6 + 0.3 * (place % 2)
    assert choose_samples(probabilities, classes, 4) == [1, 3, 5, 9]
    assert choose_samples(probabilities, classes, 6) == [1, 3, 5, 9, 0, 4]
    assert choose_samples(probabilities, classes, 2) == [1, 5]
    assert choose_samples(probabilities, classes, 30) == [1, 3, 5, 9, 0, 2, 4, 8, 7, 6]
    assert choose_samples(probabilities, classes, 0) == []


@pytest.mark.parametrize("number", ["-1", "25"])
def test_a_number_of_samples_out_of_bounds_is_refused(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["--mode", "head", "--data", "/", "--samples", number]) == 1
    assert f"--samples is {number}; expected 0 to 24" in capsys.readouterr().err


def test_the_dataset_manifest_names_each_file_and_has_a_version(
    shades: Path, head_of: Train, image_folder: Path
) -> None:
    path = shades / "output" / "dataset.jsonl"
    rows = jsonl(path)
    assert len(rows) == 36
    for row in rows:
        content = (image_folder / row["file"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["file"].startswith(f"{row['split']}/{row['label']}/")
    version = manifest_of(shades).training_data["version"]
    assert version == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert not list((shades / "model").rglob("*.jsonl"))
    assert manifest_of(head_of(image_folder)).training_data["version"] == version


def test_flipped_labels_are_in_the_top_tenth(head_of: Train, tmp_path: Path) -> None:
    generator = numpy.random.default_rng(11)
    bases = {"dusk": (60, 40, 90), "field": (70, 140, 50), "sand": (190, 160, 110)}
    flipped = set()
    labels = list(bases)
    for place, (label, base) in enumerate(bases.items()):
        for number in range(40):
            pixels = numpy.clip(generator.normal(base, 30, (12, 12, 3)), 0, 255)
            # 5 % of the training images have the label of the next class.
            is_flipped = number < 2
            folder = tmp_path / "data" / "train" / labels[(place + is_flipped) % 3]
            if number >= 32:
                folder = tmp_path / "data" / ("valid" if number % 2 else "test") / label
            folder.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(pixels.astype(numpy.uint8)).resize((48, 40))
            image.save(folder / f"{label}-{number}.png")
            if is_flipped:
                flipped.add(f"train/{folder.name}/{label}-{number}.png")
    run = head_of(tmp_path / "data")
    ranking = jsonl(run / "output" / "label_suspicion.jsonl")
    assert len(ranking) == 96
    top = {row["file"] for row in ranking[:10]}
    assert len(top & flipped) >= 0.8 * len(flipped)
    likely = {row["file"]: row["likely"] for row in ranking}
    assert all(Path(name).name.startswith(likely[name]) for name in top & flipped)


def image_bytes(seed: int, brightness: int, image_format: str = "PNG") -> bytes:
    pixels = numpy.random.default_rng(seed).integers(brightness, brightness + 90, (20, 26, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(numpy.uint8)).save(buffer, image_format)
    return buffer.getvalue()


def write_wrong_folder(folder: Path) -> dict[str, str]:
    """Write 40 usable images of 12 classes, among all that can be wrong; return the reasons."""
    counts = [4, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 2]
    for index, count in enumerate(counts):
        label = unicodedata.normalize("NFD" if index % 2 else "NFC", f"Café {index}")
        (folder / label).mkdir(parents=True)
        for number in range(count):
            name = f"{number} été = «x».jpg"
            (folder / label / name).write_bytes(image_bytes(100 * index + number, 14 * index))
    first = folder / "Café 0"
    (first / "copy.png").write_bytes((first / "0 été = «x».jpg").read_bytes())
    (first / "twice.png").write_bytes(image_bytes(7777, 0))
    (folder / "Café 2" / "twice.png").write_bytes(image_bytes(7777, 0))
    (first / "cut.png").write_bytes(image_bytes(1, 0)[:-60])
    (first / "empty.jpg").touch()
    (first / "notes.txt").write_text("mine")
    (first / "scans.jpg").write_bytes(
        image_bytes(2, 0, "JPEG")[:-2] + b"\xff\xda\x00\x02" * 200 + b"\xff\xd9"
    )
    (first / "moving.gif").write_bytes(image_bytes(3, 0, "GIF"))
    (first / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    for name in ("Thumbs.db", "._0.jpg", ".DS_Store"):
        (first / name).write_bytes(b"x")
    (folder / "__MACOSX" / "Café 0").mkdir(parents=True)
    (folder / "__MACOSX" / "Café 0" / "0.jpg").write_bytes(image_bytes(4, 0))
    (folder / "loose.jpg").write_bytes(image_bytes(5, 0))
    return {
        "copy.png": "a copy of",
        "twice.png": "the same image is in the classes Café 0, Café 2",
        "cut.png": "The PNG image is cut off",
        "empty.jpg": "",
        "notes.txt": "",
        "scans.jpg": "more than 128 scans",
        "moving.gif": "GIF",
        "phone.heic": "HEIC",
        "loose.jpg": "not in a folder that names its class",
    }


def test_a_folder_with_everything_wrong_becomes_a_model_and_a_report(
    head_of: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = write_wrong_folder(tmp_path / "data")
    run = head_of(tmp_path / "data")
    manifest = manifest_of(run)
    assert manifest.labels == tuple(sorted(f"Café {index}" for index in range(12)))
    rows = jsonl(run / "output" / "dataset.jsonl")
    assert len(rows) == 40
    assert sum(manifest.training_data["images"].values()) == 40
    of_three = [row["split"] for row in rows if row["label"] == "Café 1"]
    assert sorted(of_three) == ["test", "train", "valid"]
    report = (run / "output" / "report.html").read_text(encoding="utf-8")
    for name, reason in reasons.items():
        assert f"{name}</bdi>: <bdi>" in report, name
        assert reason in report
    for name in ("Thumbs.db", "DS_Store", "__MACOSX", "._0"):
        assert name not in report
    assert "Files that are left out: 10" in capsys.readouterr().out


def test_a_class_with_many_more_images_than_another_is_named(
    head_of: Train, tmp_path: Path
) -> None:
    for label, count, brightness in (("many", 60, 0), ("few", 5, 150)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(count):
            content = image_bytes(1000 * brightness + number, brightness)
            (tmp_path / "data" / label / f"{number}.png").write_bytes(content)
    report = (head_of(tmp_path / "data") / "output" / "report.html").read_text(encoding="utf-8")
    assert "Add images of <bdi>few</bdi>." in report


def test_a_folder_with_training_images_alone_is_split(head_of: Train, tmp_path: Path) -> None:
    for label, brightness in (("a", 0), ("b", 150)):
        (tmp_path / "data" / "train" / label).mkdir(parents=True)
        for number in range(20):
            content = image_bytes(1000 * brightness + number, brightness)
            (tmp_path / "data" / "train" / label / f"{number}.png").write_bytes(content)
    run = head_of(tmp_path / "data")
    assert manifest_of(run).training_data["images"] == {"train": 30, "valid": 4, "test": 6}
