"""Folders and zips of images, as people have them: found, split, and what is left out is said."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from classifier.training.dataset.archives import unpack_zip
from classifier.training.dataset.scanning import ImageFile, scan_folder
from classifier.training.dataset.splitting import split_images
from classifier.training.errors import DataError


def image_bytes(seed: int, image_format: str = "PNG") -> bytes:
    pixels = numpy.random.default_rng(seed).integers(0, 255, (9, 8, 3)).astype(numpy.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format)
    return buffer.getvalue()


def write_images(folder: Path, count: int, first_seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}.png").write_bytes(image_bytes(first_seed + number))


def write_classes(folder: Path, **counts: int) -> Path:
    for place, (label, count) in enumerate(counts.items()):
        write_images(folder / label, count, 1000 * place)
    return folder


@pytest.mark.parametrize("valid", ["valid", "val", "Validation"])
def test_the_names_of_splits(tmp_path: Path, valid: str) -> None:
    for place, split in enumerate(("train", valid, "test")):
        for number, label in enumerate(("a", "b")):
            write_images(tmp_path / split / label, 2, 100 * place + 10 * number)
    scan = scan_folder(tmp_path)
    assert scan.labels == ("a", "b")
    assert [image.split for image in scan.images].count("valid") == 4


def test_a_folder_around_the_classes_is_looked_through(tmp_path: Path) -> None:
    write_classes(tmp_path / "my images" / "all", cat=2, dog=3)
    scan = scan_folder(tmp_path)
    assert scan.labels == ("cat", "dog")
    assert {image.path.parts[0] for image in scan.images} == {"my images"}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert scan_folder(write_classes(tmp_path, train=2, bus=2)).labels == ("bus", "train")


def test_what_systems_write_is_ignored_and_other_formats_are_named(tmp_path: Path) -> None:
    write_classes(tmp_path, cat=2, dog=2)
    for name in ("Thumbs.db", "._0.png", ".DS_Store", "desktop.ini"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    for name in (".ipynb_checkpoints", "__MACOSX"):
        write_images(tmp_path / name, 1, 50)
        write_images(tmp_path / "cat" / name, 1, 60)
    (tmp_path / "cat" / "moving.jpg").write_bytes(image_bytes(7, "GIF"))
    (tmp_path / "cat" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "loose.png").write_bytes(image_bytes(8))
    scan = scan_folder(tmp_path)
    assert scan.labels == ("cat", "dog")
    assert len(scan.images) == 4
    reasons = {str(file.path): file.reason for file in scan.left_out}
    assert sorted(reasons) == ["cat/moving.jpg", "cat/phone.heic", "loose.png"]
    assert "GIF" in reasons["cat/moving.jpg"]
    assert "HEIC" in reasons["cat/phone.heic"]


def test_one_name_in_two_forms_of_unicode_is_one_class(tmp_path: Path) -> None:
    write_images(tmp_path / unicodedata.normalize("NFC", "café"), 2)
    write_images(tmp_path / unicodedata.normalize("NFD", "café"), 2, 10)
    write_images(tmp_path / "tea", 2, 50)
    assert scan_folder(tmp_path).labels == ("café", "tea")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "no images in class folders"),
        ({"cat": 3}, "one class alone (cat)"),
        ({"cat": 2, "a\tb": 2}, "needs a name of printable characters"),
    ],
)
def test_a_folder_that_is_no_dataset(tmp_path: Path, counts: Any, message: str) -> None:
    with pytest.raises(DataError) as refused:
        scan_folder(write_classes(tmp_path, **counts))
    assert message in str(refused.value)


def test_a_class_that_only_the_test_has_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", a=2, b=2)
    write_images(tmp_path / "test" / "c", 1, 5000)
    with pytest.raises(DataError, match="no training images of 'c'"):
        scan_folder(tmp_path)


def images(**counts: int) -> list[ImageFile]:
    return [
        ImageFile(Path(label, f"{number}.png"), label, None, f"{place * 1000 + number:064x}")
        for place, (label, count) in enumerate(counts.items())
        for number in range(count)
    ]


def test_each_class_is_split_in_its_share() -> None:
    dataset = split_images(("a", "b"), images(a=100, b=40), seed=0)
    counts = {
        split: [sum(i.label == label for i in dataset.of(split)) for label in dataset.labels]
        for split in ("train", "valid", "test")
    }
    assert counts == {"train": [77, 31], "valid": [8, 3], "test": [15, 6]}
    again = split_images(("a", "b"), reversed(images(a=100, b=40)), seed=0)
    assert again == dataset
    assert split_images(("a", "b"), images(a=100, b=40), seed=1) != dataset


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_small_classes_keep_an_image_to_train_on(count: int) -> None:
    dataset = split_images(("a", "b"), images(a=count, b=20), seed=0)
    own = [image.split for image in dataset.images if image.label == "a"]
    assert own.count("train") >= 1
    assert (count < 3) or {"valid", "test"} <= set(own)


def test_copies_are_in_one_split_and_one_image_in_two_classes_in_none() -> None:
    given = images(a=20, b=20)
    copy = ImageFile(Path("a", "copy.png"), "a", None, given[0].sha256)
    elsewhere = ImageFile(Path("b", "wrong.png"), "b", None, given[1].sha256)
    dataset = split_images(("a", "b"), [*given, copy, elsewhere], seed=0)
    assert len(dataset.images) == 39
    reasons = {str(file.path): file.reason for file in dataset.left_out}
    assert reasons == {
        "a/copy.png": "a copy of a/0.png",
        "a/1.png": "the same image is in the classes a, b",
        "b/wrong.png": "the same image is in the classes a, b",
    }


def test_a_copy_of_a_test_image_is_not_trained_on() -> None:
    (trained, *_) = images(a=3)
    given = [
        ImageFile(trained.path, "a", "train", trained.sha256),
        ImageFile(Path("t.png"), "a", "test", trained.sha256),
    ]
    dataset = split_images(("a",), given, seed=0)
    assert [(image.path.name, image.split) for image in dataset.images] == [("t.png", "test")]


def write_zip(path: Path, members: dict[str, bytes], *, kind: int = stat.S_IFREG) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (kind | 0o644) << 16
            archive.writestr(member, content)
    return path


def test_a_zip_is_unpacked_once(tmp_path: Path) -> None:
    members = {f"set/{label}/{n}.png": image_bytes(n) for label in "ab" for n in range(2)}
    archive = write_zip(tmp_path / "images.zip", members)
    folder = unpack_zip(archive, tmp_path / "unpacked")
    before = (folder / "set").stat().st_mtime_ns
    assert scan_folder(folder).labels == ("a", "b")
    assert unpack_zip(archive, tmp_path / "unpacked") == folder
    assert (folder / "set").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("member", "kind", "message"),
    [
        ("../x.png", stat.S_IFREG, "outside of its folder"),
        ("/x.png", stat.S_IFREG, "outside of its folder"),
        ("a\\..\\..\\x.png", stat.S_IFREG, "outside of its folder"),
        ("C:/x.png", stat.S_IFREG, "outside of its folder"),
        ("a/x.png", stat.S_IFLNK, "no plain file"),
    ],
)
def test_a_zip_that_would_write_elsewhere(
    tmp_path: Path, member: str, kind: int, message: str
) -> None:
    archive = write_zip(tmp_path / "images.zip", {member: b"x"}, kind=kind)
    with pytest.raises(DataError, match=message):
        unpack_zip(archive, tmp_path / "unpacked")
    assert list((tmp_path / "unpacked").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.zip", "unpacked"]


def test_a_zip_that_is_too_large_encrypted_damaged_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = image_bytes(1)
    archive = write_zip(tmp_path / "images.zip", {"a/0.png": content})
    original = archive.read_bytes()
    monkeypatch.setattr("classifier.training.dataset.archives.MAX_BYTES", len(content) - 1)
    with pytest.raises(DataError, match="would unpack to 1 files"):
        unpack_zip(archive, tmp_path / "unpacked")
    monkeypatch.undo()
    place = original.index(b"PK\x01\x02") + 8
    archive.write_bytes(original[:place] + b"\x01" + original[place + 1 :])
    with pytest.raises(DataError, match="is encrypted"):
        unpack_zip(archive, tmp_path / "unpacked")
    damaged = bytearray(original)
    damaged[original.index(b"IHDR")] ^= 1
    archive.write_bytes(damaged)
    with pytest.raises(DataError, match="no readable zip"):
        unpack_zip(archive, tmp_path / "unpacked")
    archive.write_bytes(b"no zip")
    with pytest.raises(DataError, match="no readable zip"):
        unpack_zip(archive, tmp_path / "unpacked")
    assert list((tmp_path / "unpacked").iterdir()) == []


def with_directory_offset(content: bytes, offset: int) -> bytes:
    """Change where a zip says that its directory begins."""
    place = content.rindex(b"PK\x05\x06") + 16
    return content[:place] + offset.to_bytes(4, "little") + content[place + 4 :]


@pytest.mark.parametrize("compression", ["bzip2", "lzma", "directory"])
def test_a_zip_that_is_damaged_elsewhere(tmp_path: Path, compression: str) -> None:
    archive = tmp_path / "images.zip"
    kind = {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}.get(compression, 0)
    with zipfile.ZipFile(archive, "w", kind) as opened:
        opened.writestr("a/0.png", image_bytes(1))
    content = archive.read_bytes()
    start = 30 + len("a/0.png") + 16
    damaged = content[:start] + b"\xff" * 40 + content[start + 40 :]
    if compression == "directory":
        damaged = with_directory_offset(content, 2**32 - 2)
    archive.write_bytes(damaged)
    with pytest.raises(DataError, match=r"images\.zip is no readable zip: .+; pack it again"):
        unpack_zip(archive, tmp_path / "unpacked")
    assert list((tmp_path / "unpacked").iterdir()) == []


@pytest.mark.parametrize("member", [".", "./.", "a/" * 1100 + "0.png"])
def test_a_zip_member_without_a_name_or_in_too_many_folders(tmp_path: Path, member: str) -> None:
    archive = write_zip(tmp_path / "images.zip", {member: b"x"})
    with pytest.raises(DataError, match="expected a file's name in at most 99 folders") as refused:
        unpack_zip(archive, tmp_path / "unpacked")
    assert len(str(refused.value)) < len(str(archive)) + 200


def test_a_folder_of_many_levels_and_a_huge_file_are_no_obstacle(tmp_path: Path) -> None:
    write_classes(tmp_path, cat=2, dog=2)
    with (tmp_path / "cat" / "disk.img").open("wb") as file:
        file.truncate(60 * 2**30)
    here = Path.cwd()
    os.chdir(tmp_path / "dog")
    try:
        for _ in range(1100):
            Path("a").mkdir()
            os.chdir("a")
        Path("deep.png").write_bytes(image_bytes(9))
        os.chdir(here)
        scan = scan_folder(tmp_path)
    finally:
        os.chdir(here)
        # Python 3.11's own removal, with which pytest cleans up, is recursive.
        subprocess.run(["rm", "-rf", tmp_path / "dog" / "a"], check=True)  # noqa: S607 - the system's
    assert len(scan.images) == 5
    (left_out,) = scan.left_out
    assert (str(left_out.path), left_out.reason) == (
        "cat/disk.img",
        "has more than 25000000 bytes, the most that an image may have",
    )
