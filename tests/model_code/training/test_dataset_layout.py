"""Where the images of a dataset lie for training jobs, which must find the same dataset."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from classifier.training.dataset.__main__ import main
from classifier.training.dataset.dataset_manifest import write_dataset_manifest
from classifier.training.dataset.scanning import SPLITS, scan_splits
from classifier.training.dataset.splitting import split_scan
from tests.model_code.training.test_dataset import image_bytes, write_classes, write_images


def lay_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, status: int = 0
) -> dict[str, Any]:
    """Run the program; return its layout."""
    output = tmp_path / "output"
    options = ["--data", data, "--cache-dir", tmp_path / "cache", "--output", output]
    monkeypatch.setattr("sys.argv", ["dataset", *map(str, options)])
    assert main() == status
    if status:
        assert not (output / "layout.json").exists()
        return {}
    content: dict[str, Any] = json.loads((output / "layout.json").read_text())
    return content


def places(layout: dict[str, Any]) -> list[str]:
    return [each["place"] for each in layout["files"]]


def test_a_job_that_has_the_splits_as_channels_has_the_same_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_classes(tmp_path / "my images", cat=9, dog=7)
    (data / "cat" / "broken.png").write_bytes(image_bytes(5)[:60])
    (data / "dog" / "copy.png").write_bytes((data / "dog" / "1.png").read_bytes())
    (data / "cat" / "folder").mkdir()
    (data / "cat" / "folder" / "1.png").write_bytes(image_bytes(77))
    name = unicodedata.normalize("NFD", "Käse")
    write_images(data / name, 4, 9000)
    layout = lay_out(data, tmp_path, monkeypatch)
    channels = tmp_path / "input" / "data"
    for file in layout["files"]:
        target = channels / file["place"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file["source"], target)
    scan = scan_splits({split: channels / split for split in SPLITS})
    dataset = split_scan(scan, [], seed=3)
    assert dataset.counts == layout["counts"]
    assert layout["counts"] == {"train": 14, "valid": 3, "test": 4}
    assert list(dataset.labels) == layout["labels"] == ["Käse", "cat", "dog"]
    version = write_dataset_manifest(dataset.images, tmp_path / "of-the-job.jsonl")
    assert version == layout["version"]
    manifest = (tmp_path / "output" / "dataset.jsonl").read_bytes()
    assert (tmp_path / "of-the-job.jsonl").read_bytes() == manifest
    assert layout["left_out"] == 2


def test_the_folders_splits_are_kept_and_another_place_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split, seed in (("train", 0), ("Validation", 50), ("test", 90)):
        for label in ("a", "b"):
            seed += 10
            folder = tmp_path / "first" / split / label
            folder.mkdir(parents=True)
            (folder / "x.png").write_bytes(image_bytes(seed))
    first = lay_out(tmp_path / "first", tmp_path, monkeypatch)
    assert places(first) == [
        f"{split}/{label}/x.png" for split in ("test", "train", "valid") for label in "ab"
    ]
    shutil.copytree(tmp_path / "first", tmp_path / "second" / "moved")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "first")
    for data in ("second", "packed.zip"):
        assert lay_out(tmp_path / data, tmp_path, monkeypatch)["version"] == first["version"]


def test_names_that_are_no_plain_part_of_a_key_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_classes(tmp_path / "data", a=3, b=3)
    strange = ("a & b;.png", "new\nline.png", "x" * 250 + ".png", os.fsdecode(b"\xff.jpg"))
    for number, name in enumerate(strange):
        (data / "a" / name).write_bytes(image_bytes(500 + number))
    (data / "b" / "Käse (1).png").write_bytes(image_bytes(600))
    layout = lay_out(data, tmp_path, monkeypatch)
    found = {Path(each["source"]).name: each for each in layout["files"]}
    for name in strange:
        place = found[name]["place"].rpartition("/")[2]
        assert place.partition(".")[0] == found[name]["sha256"]
    assert found["Käse (1).png"]["place"].endswith("/b/Käse (1).png")


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"a": 3}, "one class alone (a)"),
        ({"a": 2, "b": 2}, "too few images to hold some back for valid"),
        ({}, "no images in class folders"),
    ],
)
def test_images_that_cannot_train_a_job_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    counts: dict[str, int],
    reason: str,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    lay_out(write_classes(data, **counts), tmp_path, monkeypatch, status=1)
    assert reason in capsys.readouterr().err
