from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from PIL import Image

import build
import demo
import train
from classifier.training.export import ModelDescription
from classifier.training.finetune import artifact


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.png"))
    }


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    assert demo.main(["--output", str(folder)]) == 0
    return folder


def test_every_digit_is_in_every_split_in_its_share(digits: Path) -> None:
    for split, share in (("train", 0.7), ("valid", 0.1), ("test", 0.2)):
        labels = sorted(path for path in (digits / split).iterdir() if path.is_dir())
        assert [label.name for label in labels] == list("0123456789")
        for label in labels:
            assert len(list(label.iterdir())) == pytest.approx(179.7 * share, abs=6)


def test_no_image_is_in_two_splits(digits: Path) -> None:
    names = [path.name for path in digits.rglob("*.png")]
    assert len(names) == len(set(names)) == 1797


def test_an_image_is_white_ink_on_black_and_large_enough_to_read(digits: Path) -> None:
    with Image.open(next((digits / "test" / "0").iterdir())) as image:
        assert (image.mode, image.size) == ("RGB", (64, 64))
        assert image.getpixel((0, 32)) == (0, 0, 0)
        assert numpy.asarray(image).max() > 200


def test_the_same_images_are_written_again(digits: Path, tmp_path: Path) -> None:
    """Over those of an earlier run, and where there are none."""
    before = _digests(digits)
    assert len(before) == 1797
    for split in ("valid", "test"):
        (digits / split).rename(tmp_path / split)
    assert demo.main(["--output", str(digits)]) == 0
    assert _digests(digits) == before


def test_a_folder_of_other_files_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "mine.png").write_bytes(b"")
    assert demo.main(["--output", str(tmp_path)]) == 1
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*.png")] == ["mine.png"]


TINY = ("--architecture", "squeezenet1_1", "--epochs", "1", "--quantize", "false")


def _training_data_of(data: Path, folder: Path) -> dict[str, Any]:
    """Train with the demo's settings, publish, and return what the manifest says of the data."""
    folders = ("--model-dir", str(folder / "model"), "--output-dir", str(folder / "output"))
    given = ["--preset", "demo", "--data", str(data), *folders, *TINY, "--report", "false"]
    assert train.main(given) == 0
    assert not (folder / "output" / "report.html").exists()
    published = folder / "published"
    assert build.main(["--trained", str(folder / "model"), "--output", str(published)]) == 0
    manifest: dict[str, Any] = json.loads((published / "manifest.json").read_text())
    training_data: dict[str, Any] = manifest["training_data"]
    return training_data


def test_a_model_of_the_digits_is_marked_as_the_demo(digits: Path, tmp_path: Path) -> None:
    # A few images in another place: what a copy, a bucket or a job's channel makes of the folder.
    for label in digits.glob("*/*/"):
        target = tmp_path / "data" / label.relative_to(digits)
        target.mkdir(parents=True)
        for image in sorted(label.iterdir())[:6]:
            shutil.copy(image, target)
    shutil.copy(digits / "train" / "DEMO.txt", tmp_path / "data" / "train")
    assert _training_data_of(tmp_path / "data", tmp_path)["demo"] is True


def test_own_images_with_the_demos_settings_are_no_demo(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[ModelDescription] = []
    # Without the export, which the test above has.
    monkeypatch.setattr(artifact, "write_artifact", lambda *given: described.append(given[1]))
    monkeypatch.setattr(
        artifact, "judge_and_report", lambda *_: SimpleNamespace(name="", identity="")
    )
    folders = ("--model-dir", str(tmp_path / "model"), "--output-dir", str(tmp_path / "output"))
    given = ["--preset", "demo", "--data", str(image_folder), *folders, *TINY]
    assert train.main(given) == 0
    (description,) = described
    assert description.training_data["source"] == "folder"
    assert "demo" not in description.training_data
