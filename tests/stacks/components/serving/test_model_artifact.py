"""What synthesis says of a model's folder."""

import gzip
import hashlib
import io
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks.components.serving.model_artifact import ModelArtifact, load_model_artifact
from stacks.errors import InputError
from tests.cpu_time import check_cpu_time
from tests.stacks.fake_inputs import (
    IDENTITY,
    NETWORKS,
    PREPROCESSING,
    QUANTIZATION,
    write_archive,
    write_model,
    write_sha256,
)

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
        labels=tuple("0123456789"),
        files=frozenset({"model.onnx"}),
        resize_pixels=232,
        demo=False,
    )
    assert model.version == digest[:12]


def test_a_model_may_have_an_int8_network(tmp_path: Path) -> None:
    networks = {"model.onnx": b"fp32", "model.int8.onnx": b"int8"}
    assert load_model_artifact(write_model(tmp_path, networks=networks)).files == {
        "model.onnx",
        "model.int8.onnx",
    }


@pytest.mark.parametrize(
    ("training_data", "expected"),
    [({"demo": True, "classes": 10}, True), ({"demo": "true"}, False), ({}, False)],
)
def test_the_demo_is_what_was_trained_on_its_images(
    tmp_path: Path, training_data: Any, expected: bool
) -> None:
    assert load_model_artifact(write_model(tmp_path, training_data=training_data)).demo is expected


@pytest.mark.parametrize("name", ["model.tar.gz", "model.tar.gz.sha256", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (write_model(tmp_path) / name).unlink()
    message = error_of(tmp_path)
    assert f"the model artifact is incomplete: {tmp_path / name} is missing: " in message
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
        header("model.onnx/", tarfile.DIRTYPE),
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


SAMPLES = {f"samples/{number:02}-red.jpg": b"jpeg %d" % number for number in range(1, 4)}


def write_samples(folder: Path, samples: Mapping[str, bytes] = SAMPLES) -> Path:
    """Write a model with samples in its archive and beside it."""
    manifest = (write_model(folder) / "manifest.json").read_bytes()
    write_archive(folder, {"manifest.json": manifest, **NETWORKS, **samples})
    for name, content in samples.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_samples_beside_the_archive_are_those_inside_it(tmp_path: Path) -> None:
    model = load_model_artifact(write_samples(tmp_path))
    assert model.samples == tuple(tmp_path / name for name in SAMPLES)
    assert model.files == {"model.onnx"}
    (tmp_path / "samples" / "02-red.jpg").unlink()
    assert len(load_model_artifact(tmp_path).samples) == 2
    (tmp_path / "samples" / "03-red.jpg").write_bytes(b"another")
    assert "03-red.jpg is not the sample image inside model.tar.gz" in error_of(tmp_path)
    (tmp_path / "samples" / "03-red.jpg").rename(tmp_path / "samples" / "page.html")
    assert "page.html is no sample image" in error_of(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "samples/../01-red.jpg",
        "samples/01-red.jpg/x",
        "samples/01-RED.jpg",
        "samples/1-red.jpg",
        "samples/01-red.html",
        "samples/01-.jpg",
        "/samples/01-red.jpg",
        f"samples/01-{'a' * 41}.jpg",
    ],
)
def test_a_sample_of_another_name_is_refused(tmp_path: Path, name: str) -> None:
    manifest = (write_model(tmp_path) / "manifest.json").read_bytes()
    write_archive(tmp_path, {"manifest.json": manifest, **NETWORKS, name: b"jpeg"})
    assert f"holds {name!r}, expected the plain files" in error_of(tmp_path)


def test_the_number_and_size_of_samples_are_bounded(tmp_path: Path) -> None:
    most = {f"samples/{number:02}-a.jpg": b"jpeg" for number in range(1, 26)}
    write_samples(tmp_path, most)
    assert "holds 'samples/25-a.jpg', expected" in error_of(tmp_path)
    write_samples(tmp_path / "large", {"samples/01-a.jpg": bytes((1 << 20) + 1)})
    assert f"a file of {(1 << 20) + 1} bytes, expected at most {1 << 20}" in error_of(
        tmp_path / "large"
    )


def test_sagemakers_archive_of_a_job_may_hold_the_samples_folder_once(tmp_path: Path) -> None:
    manifest = (write_model(tmp_path) / "manifest.json").read_bytes()
    members = {"manifest.json": manifest, **NETWORKS, **SAMPLES}
    folder = header("samples", tarfile.DIRTYPE)
    folder.linkname = ""
    write_archive(tmp_path, members, folder)
    assert load_model_artifact(tmp_path).files == {"model.onnx"}
    write_archive(tmp_path, members, folder, folder)
    assert "holds 'samples/', expected" in error_of(tmp_path)


def write_raw(folder: Path, *parts: bytes) -> None:
    with gzip.open(folder / "model.tar.gz", "wb") as file:
        file.writelines(parts)
    write_sha256(folder / "model.tar.gz")


def test_a_file_of_gigabytes_is_refused_before_they_are_read(tmp_path: Path) -> None:
    write_model(tmp_path)
    member = header("model.onnx")
    member.size = 3 << 30
    write_raw(tmp_path, member.tobuf(tarfile.USTAR_FORMAT), bytes(1 << 20))
    assert f"a file of {3 << 30} bytes, expected at most {2 << 30}" in error_of(tmp_path)


def parts_of(folder: Path) -> tuple[bytes, bytes]:
    """Return an archive's files, headers and padding included, and the zeros that end it."""
    tar = gzip.decompress((folder / "model.tar.gz").read_bytes())
    end = len(tar.rstrip(b"\0"))
    end += -end % 512
    return tar[:end], tar[end:]


def extension(type_: bytes, content: bytes, name: str = "model.onnx") -> bytes:
    member = header(name, type_)
    member.linkname, member.size = "", len(content)
    return member.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


@pytest.mark.parametrize(
    ("type_", "content"),
    [
        (tarfile.XHDTYPE, b"9" * 900_000),  # half an hour of a regular expression in tarfile
        (tarfile.XGLTYPE, b"9" * 900_000),
        (tarfile.XHDTYPE, b"25 GNU.sparse.size=abcd\n"),
        (tarfile.XHDTYPE, b"17 hdrcharset=\xff\n"),
        (tarfile.SOLARIS_XHDTYPE, b"11 size=-5\n"),
        (tarfile.GNUTYPE_LONGNAME, b"model.onnx\0"),
        (tarfile.GNUTYPE_LONGLINK, b"model.onnx\0"),
        (tarfile.GNUTYPE_SPARSE, b"onnx"),
        (tarfile.CONTTYPE, b"onnx"),
        (tarfile.AREGTYPE, b"onnx"),
    ],
)
def test_every_extension_of_the_format_is_refused_unread(
    tmp_path: Path, type_: bytes, content: bytes
) -> None:
    files, end = parts_of(write_model(tmp_path))
    write_raw(tmp_path, extension(type_, content), files, end)
    message = check_cpu_time(lambda: error_of(tmp_path), max_seconds=1)
    assert "holds 'model.onnx', expected the plain files" in message


@pytest.mark.parametrize(
    ("position", "field", "expected"),
    [
        (345, b"folder", "expected the plain files"),  # the name's prefix
        (257, b"ustar  \0", "expected the plain files"),  # GNU's own format
        (10, b"\0x", "expected the plain files"),
        (124, b"\x80" + bytes(10) + b"\4", "size is not in ustar format"),
        (124, b"-0000000004\0", "size is not in ustar format"),
        (124, b"0o000000004\0", "size is not in ustar format"),
        (148, b"000000\0 ", "a header is damaged"),
    ],
)
def test_a_header_that_another_tar_may_read_differently_is_refused(
    tmp_path: Path, position: int, field: bytes, expected: str
) -> None:
    write_model(tmp_path)
    block = bytearray(extension(tarfile.REGTYPE, b"onnx"))
    block[position : position + len(field)] = field
    if position != 148:
        checksum = sum(block[:148]) + sum(block[156:512]) + 8 * 32
        block[148:156] = b"%06o\0 " % checksum
    write_raw(tmp_path, bytes(block), bytes(1024))
    assert expected in error_of(tmp_path)


@pytest.mark.parametrize("zeros", [1024, 10240, 1 << 20])
def test_zeros_end_an_archive(tmp_path: Path, zeros: int) -> None:
    files, _ = parts_of(write_model(tmp_path))
    write_raw(tmp_path, files, bytes(zeros))
    load_model_artifact(tmp_path)


HIDDEN = extension(tarfile.REGTYPE, b"import os", "code/inference.py")


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (b"", "it ends early"),
        (bytes(512), "expected 1024 to 1048576 bytes of zeros after the last file"),
        (bytes(1025), "bytes of zeros after the last file, and nothing else"),
        (bytes((1 << 20) + 512), "bytes of zeros after the last file, and nothing else"),
        (bytes(512) + HIDDEN + bytes(1024), "bytes of zeros after the last file"),
        (bytes(1024) + HIDDEN + bytes(1024), "bytes of zeros after the last file"),
        (bytes(10240) + b"x", "bytes of zeros after the last file"),
        (b"x" * 512 + HIDDEN + bytes(1024), "a header is damaged"),
    ],
)
def test_data_after_the_last_file_is_refused(tmp_path: Path, end: bytes, expected: str) -> None:
    files, _ = parts_of(write_model(tmp_path))
    write_raw(tmp_path, files, end)
    assert expected in error_of(tmp_path)


def test_nonzero_padding_after_a_file_is_refused(tmp_path: Path) -> None:
    files, end = parts_of(write_model(tmp_path))
    write_raw(tmp_path, files[:-1] + b"x", end)
    assert "data follow a file where zeros are expected" in error_of(tmp_path)


@pytest.mark.parametrize(
    "tail", [b"x", b"\0", gzip.compress(b""), gzip.compress(bytes(512)), gzip.compress(HIDDEN)]
)
def test_data_after_the_gzip_member_is_refused(tmp_path: Path, tail: bytes) -> None:
    archive = write_model(tmp_path) / "model.tar.gz"
    archive.write_bytes(archive.read_bytes() + tail)
    write_sha256(archive)
    assert "data follow its gzip member" in error_of(tmp_path)


@pytest.mark.parametrize(
    ("cut", "flip", "expected"), [(1, 0, "it ends early"), (8, 0, "it ends early"), (0, 8, "check")]
)
def test_the_checksum_of_gzip_is_verified(
    tmp_path: Path, cut: int, flip: int, expected: str
) -> None:
    archive = write_model(tmp_path) / "model.tar.gz"
    content = bytearray(archive.read_bytes())
    if flip:
        content[-flip] ^= 1
    archive.write_bytes(content[: len(content) - cut])
    write_sha256(archive)
    assert expected in error_of(tmp_path)


def test_a_file_of_several_pieces_is_read(tmp_path: Path) -> None:
    """What compresses well leaves the decompressor with more than one read returns."""
    networks = {
        "model.onnx": hashlib.shake_256().digest(3 << 20),
        "model.int8.onnx": b"7" * 5_000_000,
    }
    load_model_artifact(write_model(tmp_path, networks=networks))


def test_a_manifest_of_another_size_than_any_is_not_read(tmp_path: Path) -> None:
    with (write_model(tmp_path) / "manifest.json").open("r+b") as file:
        file.truncate(1 << 30)
    assert f"manifest.json has {1 << 30} bytes, expected at most" in error_of(tmp_path)


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_another_tar_may_pack_an_archive_without_extensions(tmp_path: Path, format_: int) -> None:
    """Owners, times and another order are read over, extensions are not."""
    manifest = (write_model(tmp_path) / "manifest.json").read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=format_) as opened:
        for name, data in {**NETWORKS, "manifest.json": manifest}.items():
            member = header(name, mtime="1732630000.25")
            member.linkname, member.size, member.uname = "", len(data), "ec2-user"
            opened.addfile(member, io.BytesIO(data))
    (tmp_path / "model.tar.gz").write_bytes(packed.getvalue())
    digest = write_sha256(tmp_path / "model.tar.gz")
    if format_ == tarfile.USTAR_FORMAT:
        assert load_model_artifact(tmp_path).sha256 == digest
    else:
        assert "each once, in ustar format" in error_of(tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"schema_version": 3},
            "schema_version = 3, expected 4: an earlier version of this project",
        ),
        ({"files": None}, "files = null, expected the sha256 of each file"),
        ({"files": {"model.onnx": 7}}, "expected the sha256 of each file"),
        ({"files": {}}, "names in files = [], expected model.onnx alone"),
        ({"files": {"model.int8.onnx": "5e" * 32}}, "['model.int8.onnx'], expected model.onnx"),
        (
            {"files": {"model.onnx": "5e" * 32}, "quantization": QUANTIZATION},
            "['model.onnx'], expected model.onnx and model.int8.onnx",
        ),
        ({"files": dict.fromkeys(["model.onnx", "code/x.py"], "5e" * 32)}, "['code/x.py', "),
        ({"files": {"model.onnx": "5E" * 32}}, "expected a sha256 in lower-case hexadecimal"),
        ({"name": "no spaces"}, "name = 'no spaces', expected up to 63 letters"),
        ({"name": None}, "name = null, expected a text"),
        ({"identity": IDENTITY.upper()}, f"expected the sha256 {IDENTITY} that follows"),
        ({"identity": "5e" * 31}, f"identity = '{'5e' * 31}', expected the sha256"),
        ({"preprocessing": None}, "preprocessing = null, expected an object"),
        ({"preprocessing": {"crop": 224}}, "lacks preprocessing.interpolation, preprocessing.mean"),
        ({"preprocessing": {**PREPROCESSING, "resize": 0}}, "resize = 0, expected a number of"),
        (
            {"preprocessing": {**PREPROCESSING, "resize": 4097}},
            "preprocessing.resize = 4097, expected a number of pixels from 1 to 4096",
        ),
        ({"training_data": None}, "training_data = null, expected an object"),
        ({"extra": 1}, "has unknown extra"),
    ],
)
def test_a_manifest_that_is_not_as_agreed_is_refused(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    assert expected in error_of(write_model(tmp_path, **changes))


@pytest.mark.parametrize(
    "value", [["x"] * 300_000, [[["y" * 99] * 9] * 9] * 9, 10**4000, "z" * 999]
)
@pytest.mark.parametrize("member", ["schema_version", "files", "name", "identity", "resize"])
def test_a_long_value_is_shortened_in_the_message(tmp_path: Path, member: str, value: Any) -> None:
    resized = {"preprocessing": {**PREPROCESSING, "resize": value}}
    changes = resized if member == "resize" else {member: value}
    message = error_of(write_model(tmp_path, **changes))
    assert f"{member} = {str([value])[1:9]}" in message
    assert len(message) < 400 + 2 * len(str(tmp_path))


def test_an_image_may_be_resized_to_4096_pixels(tmp_path: Path) -> None:
    folder = write_model(tmp_path, preprocessing={**PREPROCESSING, "resize": 4096})
    assert load_model_artifact(folder).resize_pixels == 4096


def test_a_manifest_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (write_model(tmp_path) / "manifest.json").write_bytes(b"\xff\xfe{\0}\0")
    assert "manifest.json is not UTF-8 text" in error_of(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_a_manifest_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (write_model(tmp_path) / "manifest.json").write_text(text)
    assert "manifest.json" in error_of(tmp_path)
