"""The objects of a channel become files in its folder, and nowhere else."""

from pathlib import Path

import pytest

from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.jobs.storage import Address, Storage, StoredObject
from tests.local_cloud.stand_in_s3 import StandInS3


@pytest.mark.parametrize("url", ["s3://data/train", "s3://data/train/"])
def test_keys_that_name_other_folders_are_left_out(url: str, tmp_path: Path) -> None:
    store = StandInS3()
    outside = tmp_path / "outside"
    keys = [
        "train/cat/1.png", f"train/{outside}", f"train//{outside}", f"train///{outside}",
        "train/../2.png", "train/./3.png", "train//4.png", "train/dog/", "train/dog/5 (2).png",
    ]  # fmt: skip
    store.objects |= {("data", key): b"image" for key in keys}
    storage = Storage(store.client("role"))
    found = list(storage.objects(url))
    folder = tmp_path / "channel"
    storage.download_all(found, folder)
    written = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert sorted(written) == ["cat/1.png", "dog/5 (2).png"]
    assert not outside.exists()


def test_a_path_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    storage = Storage(StandInS3().client("role"))
    stray = StoredObject(Address("data", "x"), str(tmp_path / "outside"))
    with pytest.raises(JobFailedError, match="has no place here"):
        storage.download_all([stray], tmp_path / "channel")
