from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

import drawings
from classifier.training.dataset.demo_data import DEMO_FILE

CLASSES = 133


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawings")
    assert drawings.main(["--output", str(folder)]) == 0
    return folder


def test_every_class_is_in_every_split(folder: Path) -> None:
    for split, count in (("train", 6), ("valid", 1), ("test", 2)):
        labels = sorted(path for path in (folder / split).iterdir() if path.is_dir())
        assert len(labels) == CLASSES
        assert {len(list(label.iterdir())) for label in labels} == {count}


def test_no_two_images_are_the_same(folder: Path) -> None:
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*.jpg")}
    assert len(digests) == 9 * CLASSES


def test_each_class_has_a_shape_and_colours_of_its_own() -> None:
    rest = {divmod(index, drawings.HUES) for index in range(drawings.MAX_CLASSES)}
    assert len(rest) == drawings.MAX_CLASSES == 144


def test_the_same_images_are_drawn_again(folder: Path, tmp_path: Path) -> None:
    assert drawings.main(["--output", str(tmp_path), "--classes", "2"]) == 0
    name = Path("train", "drawing-000", "0.jpg")
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == ("JPEG", (160, 160))


def test_the_data_is_a_demos(folder: Path) -> None:
    # What is trained on it must not be deployed to an account.
    assert (folder / "train" / DEMO_FILE).is_file()


def test_other_files_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    assert drawings.main(["--output", str(tmp_path)]) == 1
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("classes", ["1", "145", "-3"])
def test_a_number_of_classes_that_cannot_be_drawn_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], classes: str
) -> None:
    with pytest.raises(SystemExit):
        drawings.main(["--output", str(tmp_path), "--classes", classes])
    assert f"argument --classes: {classes}: expected 2 to 144" in capsys.readouterr().err
