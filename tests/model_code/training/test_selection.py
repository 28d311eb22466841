from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from classifier.training.dataset.selection import find_images, split_folder, use_splits
from classifier.training.errors import DataError
from tests.model_code.training.measured_networks import write_images

LABELS = ("dark", "light")


def test_half_of_a_folder_calibrates_and_the_other_half_is_held_back(tmp_path: Path) -> None:
    selection = split_folder(write_images(tmp_path, 41), LABELS)
    assert (len(selection.calibration), len(selection.held_back)) == (20, 21)
    digests = {p.sha256 for p in (*selection.calibration, *selection.held_back)}
    assert len(digests) == 41
    assert {image.label for image in selection.calibration} == set(LABELS)


def test_no_more_than_300_images_calibrate(tmp_path: Path) -> None:
    selection = split_folder(write_images(tmp_path, 620), LABELS)
    assert (len(selection.calibration), len(selection.held_back)) == (300, 320)


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    images = find_images(write_images(tmp_path, 5, labelled=False), LABELS)
    assert [image.label for image in images] == [None] * 5


def test_the_selection_is_by_content_and_not_by_name(tmp_path: Path) -> None:
    first = write_images(tmp_path / "first", 30, labelled=False)
    (tmp_path / "second").mkdir()
    for number, path in enumerate(sorted(first.iterdir())):
        shutil.copy(path, tmp_path / "second" / f"{1000 - number}.PNG")
    selections = [split_folder(tmp_path / name, LABELS) for name in ("first", "second")]
    assert selections[0].calibration_sha256 == selections[1].calibration_sha256
    other = split_folder(write_images(tmp_path / "other", 30, seed=6), LABELS)
    assert other.calibration_sha256 != selections[0].calibration_sha256


def test_an_image_that_calibrates_is_not_held_back_under_another_name(tmp_path: Path) -> None:
    valid, test = write_images(tmp_path / "valid", 10), write_images(tmp_path / "test", 16)
    selection = use_splits(find_images(valid, LABELS), find_images(test, LABELS))
    # The same seed: the first ten of both folders are the same images.
    assert (len(selection.calibration), len(selection.held_back)) == (10, 6)
    shutil.copy(valid / "dark" / "0.png", valid / "dark" / "copy.png")
    assert len(find_images(valid, LABELS)) == 10


def test_a_folder_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing is no folder; expected <label>/<image>"):
        find_images(tmp_path / "missing", LABELS)
    with pytest.raises(DataError, match=r"holds no images \(\.jpg"):
        find_images(tmp_path, LABELS)
    write_images(tmp_path, 2)
    with pytest.raises(DataError, match=r"a folder 'light', but the model has no such label"):
        find_images(tmp_path, ("dark", "bright"))
    with (tmp_path / "dark" / "video.jpg").open("wb") as file:
        file.truncate(25_000_001)
    with pytest.raises(DataError, match=r"video\.jpg has more than 25000000 bytes"):
        find_images(tmp_path, LABELS)
