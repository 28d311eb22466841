"""What `make dataset` uploads; tests/model_code scan and split."""

import hashlib
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.tools.training.bucket import FakeS3
from tests.tools.training.stage import fake_stage
from tools.console import ToolError
from tools.training import dataset
from tools.training.layout import DatasetFile, DatasetLayout, check_name, default_name

PREFIX = "datasets/flowers/0123456789ab"


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetLayout:
    files = []
    for number in range(20):
        file = tmp_path / f"{number}.jpg"
        file.write_bytes(bytes([number]) * 50)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        files.append(DatasetFile(file, f"train/rose/{number}.jpg", digest))
    manifest = tmp_path / "dataset.jsonl"
    manifest.write_text("{}\n")
    laid_out = DatasetLayout(
        version="0123456789ab",
        labels=("rose", "tulip"),
        counts={"train": 20, "valid": 0, "test": 0},
        files=tuple(files),
        manifest=manifest,
    )
    monkeypatch.setattr(dataset, "lay_out", lambda _: laid_out)
    return laid_out


def publish(s3: FakeS3) -> dataset.PublishedDataset:
    return dataset.publish(fake_stage(s3=s3), Path("x"), "flowers")


def test_only_what_is_missing_is_uploaded_and_the_manifest_last(
    layout: DatasetLayout, capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = FakeS3()
    published = publish(s3)
    assert (published.prefix, published.splits) == (PREFIX, ("train",))
    assert set(s3.objects) == {
        *(f"{PREFIX}/{each.place}" for each in layout.files),
        f"{PREFIX}/dataset.jsonl",
    }
    assert s3.written[-1] == f"{PREFIX}/dataset.jsonl"
    assert "20 uploaded, none there already" in capsys.readouterr().out
    s3.written.clear()
    del s3.objects[f"{PREFIX}/train/rose/3.jpg"]
    s3.objects[f"{PREFIX}/train/rose/4.jpg"] = b"damaged"
    publish(s3)
    assert sorted(s3.written[:-1]) == [f"{PREFIX}/train/rose/{n}.jpg" for n in (3, 4)]
    assert "2 uploaded, 18 there already" in capsys.readouterr().out


def test_an_upload_that_fails_is_no_dataset(layout: DatasetLayout) -> None:
    s3 = FakeS3()
    s3.fails_at = "/7.jpg"
    with pytest.raises(ClientError, match="SlowDown"):
        publish(s3)
    assert f"{PREFIX}/dataset.jsonl" not in s3.objects
    s3 = FakeS3()
    layout.files[9].source.write_bytes(b"another image")
    with pytest.raises(ToolError, match=r"9\.jpg was changed while it was uploaded"):
        publish(s3)
    assert f"{PREFIX}/dataset.jsonl" not in s3.objects


@pytest.mark.usefixtures("layout")
def test_an_object_that_a_job_would_train_on_beside_the_dataset_is_refused() -> None:
    s3 = FakeS3()
    s3.objects[f"{PREFIX}/train/rose/mine.jpg"] = b""
    with pytest.raises(ToolError, match=r"mine\.jpg is no image of this dataset"):
        publish(s3)
    assert s3.written == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("photos/Flowers of 2026.zip", "flowers-of-2026"),
        ("/data/möbel & co/", "m-bel-co"),
        ("/x/" + "long name " * 9, "long-name-long-name-long-name-long-name"),
        ("/x/%%", "dataset"),
    ],
)
def test_a_dataset_is_named_after_its_folder(path: str, name: str) -> None:
    assert default_name(Path(path)) == name
    assert check_name(name) is None


@pytest.mark.parametrize("name", ["", "Flowers", "a/b", "-a", "x" * 41])
def test_a_name_that_no_prefix_may_have_is_refused(name: str) -> None:
    assert "expected up to 40 lower-case letters" in str(check_name(name))
