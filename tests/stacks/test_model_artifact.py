"""What synthesis says of a model's folder."""

import gzip
import hashlib
import io
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from stacks.errors import InputError
from stacks.model_artifact import ModelArtifact, load_model_artifact
from tests.stacks.fake_inputs import IDENTITY, NETWORKS, write_archive, write_model, write_sha256

NETWORK = {"model.onnx": bytes(range(256)) * 64}


def error_of(directory: Path) -> str:
    """Return the one line that a model is refused with; what to do is always its end."""
    with pytest.raises(InputError) as raised:
        load_model_artifact(directory)
    message = str(raised.value)
    assert "\n" not in message
    assert "`make model`" in message
    return message


def test_reads_what_the_manifest_says(tmp_path: Path) -> None:
    write_model(tmp_path)
    digest = hashlib.sha256((tmp_path / "model.tar.gz").read_bytes()).hexdigest()
    model = load_model_artifact(tmp_path)
    assert model == ModelArtifact(
        archive=tmp_path / "model.tar.gz",
        sha256=digest,
        name="digits-resnet",
        identity=IDENTITY,
        files=frozenset({"model.onnx"}),
        resize_pixels=232,
        demo=False,
    )
    assert model.version == digest[:12]


def test_a_manifest_may_say_more(tmp_path: Path) -> None:
    networks = {"model.onnx": b"fp32", "model.int8.onnx": b"int8"}
    folder = write_model(tmp_path, networks=networks, quantization={"agreement": 0.998})
    assert load_model_artifact(folder).files == {"model.onnx", "model.int8.onnx"}


@pytest.mark.parametrize(
    ("training_data", "expected"),
    [({"demo": True, "classes": 10}, True), ({"demo": "true"}, False), ({}, False), (None, False)],
)
def test_the_demo_is_what_was_trained_on_its_pictures(
    tmp_path: Path, training_data: Any, expected: bool
) -> None:
    assert load_model_artifact(write_model(tmp_path, training_data=training_data)).demo is expected


@pytest.mark.parametrize("name", ["model.tar.gz", "model.tar.gz.sha256", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (write_model(tmp_path) / name).unlink()
    message = error_of(tmp_path)
    assert f"no whole model artifact: {tmp_path / name} is missing: " in message
    assert f"delete {tmp_path} and build it again with `make model`" in message


def test_a_missing_folder_names_what_builds_it(tmp_path: Path) -> None:
    message = error_of(tmp_path / "none")
    assert f"no model artifact: {tmp_path / 'none' / 'model.tar.gz'} is missing" in message
    assert "-c model=" in message


def test_one_flipped_byte_anywhere_is_refused(tmp_path: Path) -> None:
    archive = write_model(tmp_path, networks=NETWORK) / "model.tar.gz"
    good = archive.read_bytes()
    expected = hashlib.sha256(good).hexdigest()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1
        archive.write_bytes(bad)
        message = error_of(tmp_path)
        assert f"its sha256 is {hashlib.sha256(bad).hexdigest()}, expected {expected}" in message
    archive.write_bytes(good)
    assert load_model_artifact(tmp_path).sha256 == expected


@pytest.mark.parametrize("left", [0, 1, 20, -1, -200])
def test_a_truncated_archive_is_refused(tmp_path: Path, left: int) -> None:
    archive = write_model(tmp_path, networks=NETWORK) / "model.tar.gz"
    archive.write_bytes(archive.read_bytes()[:left])
    assert f"{archive} was damaged or replaced after its build" in error_of(tmp_path)


def test_a_longer_archive_is_refused(tmp_path: Path) -> None:
    archive = write_model(tmp_path) / "model.tar.gz"
    archive.write_bytes(archive.read_bytes() + b"\0")
    assert "was damaged or replaced after its build" in error_of(tmp_path)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (["model.tar.gz"], "was damaged or replaced after its build"),
        (["model.tar.gz.sha256"], "was damaged or replaced after its build"),
        (["manifest.json"], "is not the manifest inside model.tar.gz, they come from different"),
        (["model.tar.gz", "model.tar.gz.sha256"], "is not the manifest inside model.tar.gz"),
    ],
)
def test_files_of_another_build_are_refused(
    tmp_path: Path, taken: list[str], expected: str
) -> None:
    write_model(tmp_path / "old", name="old")
    write_model(tmp_path / "new", name="new")
    for name in taken:
        shutil.copy(tmp_path / "old" / name, tmp_path / "new" / name)
    assert expected in error_of(tmp_path / "new")


@pytest.mark.parametrize(
    "line",
    ["", "no digest", "0f" * 32, f"{'0F' * 32}  model.tar.gz", f"{'0f' * 32}  other", "\u00e9"],
)
def test_a_sha256_file_of_another_form_is_refused(tmp_path: Path, line: str) -> None:
    (write_model(tmp_path) / "model.tar.gz.sha256").write_text(line, encoding="utf-8")
    assert "model.tar.gz.sha256: expected one line, `<sha256 in hexadecimal>" in error_of(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no tar" * 200), gzip.compress(b"x" * 4096)[:20]],
)
def test_an_archive_that_its_build_should_not_have_written_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    archive = write_model(tmp_path) / "model.tar.gz"
    archive.write_bytes(content)
    write_sha256(archive)
    message = error_of(tmp_path)
    assert f"{archive} cannot be read" in message or f"{archive} holds no" in message


def test_a_file_that_is_not_what_the_manifest_states_is_refused(tmp_path: Path) -> None:
    stated, actual = (hashlib.sha256(data).hexdigest() for data in (b"onnx", b"0nnx"))
    manifest = (write_model(tmp_path) / "manifest.json").read_bytes()
    write_archive(tmp_path, {"manifest.json": manifest, "model.onnx": b"0nnx"})
    assert f"model.onnx has the sha256 {actual}, expected {stated} as its manifest" in error_of(
        tmp_path
    )


@pytest.mark.parametrize("absent", ["manifest.json", "model.onnx"])
def test_a_file_that_is_not_in_the_archive_is_named(tmp_path: Path, absent: str) -> None:
    manifest = (write_model(tmp_path) / "manifest.json").read_bytes()
    members = {"manifest.json": manifest, **NETWORKS}
    del members[absent]
    write_archive(tmp_path, members)
    assert f"model.tar.gz holds no {absent}" in error_of(tmp_path)


def header(name: str, type_: bytes = tarfile.REGTYPE, **pax_headers: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.pax_headers = type_, "/etc/passwd", pax_headers
    return member


@pytest.mark.parametrize(
    "extra",
    [
        header("weights.pickle"),
        header("../model.onnx"),
        header("model.onnx"),  # once more
        header("model.onnx", tarfile.SYMTYPE),
        header("model.onnx", tarfile.LNKTYPE),
        header("model.onnx", tarfile.CHRTYPE),
        header("model.onnx", tarfile.DIRTYPE),
    ],
)
def test_a_member_that_the_manifest_does_not_name_is_refused(
    tmp_path: Path, extra: tarfile.TarInfo
) -> None:
    manifest = (write_model(tmp_path) / "manifest.json").read_bytes()
    members = {"manifest.json": manifest, **NETWORKS}
    if extra.type != tarfile.REGTYPE:
        del members["model.onnx"]
    write_archive(tmp_path, members, extra)
    message = error_of(tmp_path)
    assert f"holds {extra.name!r}, expected the plain files manifest.json, model.onnx" in message


def write_raw(folder: Path, *parts: bytes) -> None:
    with gzip.open(folder / "model.tar.gz", "wb") as file:
        file.writelines(parts)
    write_sha256(folder / "model.tar.gz")


@pytest.mark.parametrize(
    ("type_", "size"),
    [
        (tarfile.REGTYPE, 3 << 30),
        (tarfile.XHDTYPE, 3 << 30),
        (tarfile.XGLTYPE, 3 << 30),
        (tarfile.GNUTYPE_LONGNAME, 3 << 30),
        (tarfile.GNUTYPE_LONGLINK, 3 << 30),
    ],
)
def test_a_header_that_states_gigabytes_is_refused_before_they_are_read(
    tmp_path: Path, type_: bytes, size: int
) -> None:
    write_model(tmp_path)
    member = header("model.onnx", type_)
    member.linkname, member.size = "", size
    write_raw(tmp_path, member.tobuf(tarfile.GNU_FORMAT), bytes(1 << 20))
    message = error_of(tmp_path)
    assert f"{size} bytes" in message


def test_headers_upon_headers_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path)
    nested = header("x", tarfile.XHDTYPE)
    nested.linkname = ""
    write_raw(tmp_path, nested.tobuf(tarfile.GNU_FORMAT) * 5000)
    assert "cannot be read" in error_of(tmp_path)


def test_a_manifest_of_another_size_than_any_is_not_read(tmp_path: Path) -> None:
    with (write_model(tmp_path) / "manifest.json").open("r+b") as file:
        file.truncate(1 << 30)
    assert f"manifest.json has {1 << 30} bytes, expected at most" in error_of(tmp_path)


def test_an_archive_that_another_tar_packed_is_read(tmp_path: Path) -> None:
    """SageMaker packs what a job wrote: owners, times, pax headers, another order."""
    manifest = (write_model(tmp_path) / "manifest.json").read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as opened:
        for name, data in {**NETWORKS, "manifest.json": manifest}.items():
            member = header(name, mtime="1732630000.25")
            member.linkname, member.size, member.uname = "", len(data), "ec2-user"
            opened.addfile(member, io.BytesIO(data))
    (tmp_path / "model.tar.gz").write_bytes(packed.getvalue())
    digest = write_sha256(tmp_path / "model.tar.gz")
    assert load_model_artifact(tmp_path).sha256 == digest


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schema_version": 2}, "schema_version = 2, expected 3"),
        ({"files": None}, "files = None, expected the sha256 of each file"),
        ({"files": {"model.onnx": 7}}, "expected the sha256 of each file"),
        ({"name": "no spaces"}, "name = 'no spaces'"),
        ({"name": None}, "name = None"),
        ({"identity": "5E" * 32}, "expected a sha256 in hexadecimal"),
        ({"identity": "5e" * 31}, "expected a sha256 in hexadecimal"),
        ({"preprocessing": None}, "preprocessing.resize = None, expected a number of pixels"),
        ({"preprocessing": {"resize": 0}}, "preprocessing.resize = 0, expected"),
    ],
)
def test_a_manifest_that_is_not_as_agreed_is_refused(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    assert expected in error_of(write_model(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_a_manifest_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (write_model(tmp_path) / "manifest.json").write_text(text)
    assert "manifest.json" in error_of(tmp_path)
