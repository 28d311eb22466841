from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from classifier.artifact import packing
from classifier.artifact.directory import Artifact, ArtifactError, read_artifact
from classifier.artifact.manifest import Manifest, Preprocessing
from classifier.artifact.measurements import Bfloat16, HalfPrecision, Quantization
from classifier.artifact.packing import pack_artifact, publish, unpack_archive
from classifier.artifact.samples import is_sample_name, sample_name


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """An artifact with a made-up network: reading and packing do not look into it."""
    folder = tmp_path / "artifact"
    folder.mkdir()
    network = bytes(range(256)) * 50
    (folder / "model.onnx").write_bytes(network)
    manifest = Manifest(
        name="fruit",
        architecture="resnet18",
        labels=("Äpfel", "pear"),
        preprocessing=Preprocessing(
            resize=8, crop=8, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1)
        ),
        output="logits",
        weights_sha256="1" * 64,
        exporter_version=1,
        files={"model.onnx": hashlib.sha256(network).hexdigest()},
    )
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return read_artifact(folder)


@pytest.fixture
def artifact_with_int8(artifact: Artifact) -> Artifact:
    network = b"int8" * 50
    (artifact.directory / "model.int8.onnx").write_bytes(network)
    manifest = replace(
        artifact.manifest,
        files={**artifact.manifest.files, "model.int8.onnx": hashlib.sha256(network).hexdigest()},
        quantization=Quantization(
            tool="nncf 3.4.0",
            quantizer_version=1,
            calibration_sha256="3" * 64,
            calibration_images=60,
            held_back_images=60,
            agreement=1.0,
            fp32_accuracy=None,
            int8_accuracy=None,
            shipped=True,
        ),
    )
    (artifact.directory / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return read_artifact(artifact.directory)


def test_auto_is_the_cheapest_precision_that_there_is(
    artifact: Artifact, artifact_with_int8: Artifact
) -> None:
    assert [artifact.resolve_precision(name) for name in ("auto", "fp32")] == ["fp32", "fp32"]
    resolved = [artifact_with_int8.resolve_precision(name) for name in ("auto", "fp32", "int8")]
    assert resolved == ["int8", "fp32", "int8"]
    names = [artifact_with_int8.model_path(precision).name for precision in ("fp32", "int8")]
    assert names == ["model.onnx", "model.int8.onnx"]


@pytest.mark.parametrize("has_int8", [False, True])
def test_auto_is_never_fp16_which_is_for_gpus(
    artifact: Artifact, request: pytest.FixtureRequest, has_int8: bool
) -> None:
    if has_int8:
        artifact = request.getfixturevalue("artifact_with_int8")
    network = b"fp16" * 50
    (artifact.directory / "model.fp16.onnx").write_bytes(network)
    made = HalfPrecision(
        tool="onnxruntime 1.26.0",
        converter_version=1,
        held_back_images=60,
        agreement=1.0,
        fp32_accuracy=None,
        fp16_accuracy=None,
        shipped=True,
    )
    files = {**artifact.manifest.files, "model.fp16.onnx": hashlib.sha256(network).hexdigest()}
    manifest = replace(artifact.manifest, files=files, half_precision=made)
    (artifact.directory / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    found = read_artifact(artifact.directory)
    assert found.resolve_precision("auto") == ("int8" if has_int8 else "fp32")
    assert found.model_path(found.resolve_precision("fp16")).name == "model.fp16.onnx"


def test_auto_is_never_bf16_which_is_the_fp32_network(artifact: Artifact) -> None:
    record = Bfloat16(
        held_back_images=60, agreement=1.0, fp32_accuracy=None, bf16_accuracy=None, accepted=True
    )
    allowed = replace(artifact, manifest=replace(artifact.manifest, bfloat16=record))
    assert allowed.resolve_precision("auto") == "fp32"
    assert allowed.model_path(allowed.resolve_precision("bf16")).name == "model.onnx"


def test_a_precision_that_is_not_there_is_refused_with_what_makes_it(artifact: Artifact) -> None:
    with pytest.raises(ArtifactError, match=r"no int8 network, only fp32: .*build\.py --quantize"):
        artifact.resolve_precision("int8")
    with pytest.raises(ArtifactError, match=r"no fp16 network, .*build\.py --half-precision"):
        artifact.resolve_precision("fp16")
    with pytest.raises(ArtifactError, match=r"does not allow bf16: .*build\.py --bf16"):
        artifact.resolve_precision("bf16")


def test_an_archive_needs_no_extension_of_ustar(
    artifact_with_int8: Artifact, tmp_path: Path
) -> None:
    """Synthesis reads nothing else."""
    publish(artifact_with_int8, tmp_path)
    tar = gzip.decompress((tmp_path / "model.tar.gz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        offsets = [member.offset for member in opened]
        ends = [member.offset_data + -(-member.size // 512) * 512 for member in opened]
    assert offsets == [0, *ends[:-1]]  # no header between them that tarfile reads over
    for offset in offsets:
        assert tar[offset + 156 : offset + 157] == b"0"
        assert tar[offset + 257 : offset + 265] == b"ustar\x0000"
    assert len(tar) - ends[-1] >= 1024
    assert not any(tar[ends[-1] :])


def test_an_int8_network_travels_and_is_checked_like_the_other(
    artifact_with_int8: Artifact, tmp_path: Path
) -> None:
    publish(artifact_with_int8, tmp_path / "output")
    unpack_archive(tmp_path / "output" / "model.tar.gz", tmp_path / "unpacked")
    assert read_artifact(tmp_path / "unpacked").manifest == artifact_with_int8.manifest
    path = tmp_path / "unpacked" / "model.int8.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"9")
    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx has sha256"):
        read_artifact(tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.onnx", b"changed", "has sha256 .* but its manifest says"),
        ("model.onnx", None, "model.onnx cannot be read: No such file"),
        ("manifest.json", b"{}", "schema_version = null, expected 4; build the artifact again"),
        ("manifest.json", b"\xff\xfe", "not UTF-8"),
        ("manifest.json", None, "manifest.json cannot be read: No such file"),
    ],
)
def test_a_damaged_artifact_is_refused_with_the_reason(
    artifact: Artifact, name: str, content: bytes | None, reason: str
) -> None:
    path = artifact.directory / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=reason):
        read_artifact(artifact.directory)


def test_what_is_published_reads_back(artifact: Artifact, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "output"
    publish(artifact, output)
    assert sorted(path.name for path in output.iterdir()) == [
        "manifest.json",
        "model.tar.gz",
        "model.tar.gz.sha256",
    ]
    digest = hashlib.sha256((output / "model.tar.gz").read_bytes()).hexdigest()
    assert (output / "model.tar.gz.sha256").read_text() == f"{digest}  model.tar.gz\n"
    unpack_archive(output / "model.tar.gz", tmp_path / "unpacked")
    assert read_artifact(tmp_path / "unpacked").manifest == artifact.manifest
    beside = (output / "manifest.json").read_bytes()
    assert beside == (tmp_path / "unpacked" / "manifest.json").read_bytes()


@pytest.mark.parametrize("step", ["pack_artifact", "unpack_archive", "file_sha256"])
def test_an_interrupted_publication_leaves_no_artifact_rather_than_a_wrong_one(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    output = tmp_path / "output"
    publish(artifact, output)

    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish(artifact, output)
    assert [path.name for path in output.iterdir()] == ["model.tar.gz"]


def test_the_manifest_is_the_last_file_to_come(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    replace_file = Path.replace

    def record(source: Path, target: Path) -> Path:
        seen.append(sorted(path.name for path in tmp_path.glob("output/[!.]*")))
        return replace_file(source, target)

    monkeypatch.setattr(Path, "replace", record)
    publish(artifact, tmp_path / "output")
    assert seen == [[], ["model.tar.gz", "model.tar.gz.sha256"]]


def test_the_archive_says_nothing_of_its_making(artifact: Artifact, tmp_path: Path) -> None:
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    pack_artifact(artifact, first)
    (artifact.directory / "model.onnx").touch()
    pack_artifact(artifact, second)
    assert first.read_bytes() == second.read_bytes()
    # RFC 1952: flags (a name would be one) and time are bytes 3 to 7.
    assert first.read_bytes()[3:8] == bytes(5)
    with tarfile.open(first) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == ["manifest.json", "model.onnx"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
        (0, 0, 0, "", "", 0o644)
    }


def test_a_failed_publication_leaves_no_manifest_of_another(
    artifact: Artifact, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    publish(artifact, output)
    (artifact.directory / "model.onnx").unlink()
    with pytest.raises(FileNotFoundError):
        publish(artifact, output)
    assert [path.name for path in output.iterdir()] == ["model.tar.gz"]


@pytest.mark.parametrize("kind", ["above", "absolute link", "device"])
def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path, kind: str) -> None:
    member = tarfile.TarInfo("../evil" if kind == "above" else "model.onnx")
    if kind == "absolute link":
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    if kind == "device":
        member.type = tarfile.CHRTYPE
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(member)
    with pytest.raises(ArtifactError, match="not a readable model archive"):
        unpack_archive(path, tmp_path / "unpacked")
    assert not (tmp_path / "evil").exists()


def test_a_truncated_archive_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    pack_artifact(artifact, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ArtifactError, match="not a readable model archive"):
        unpack_archive(path, tmp_path / "unpacked")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(io.BytesIO(b"no archive").getvalue())
    with pytest.raises(ArtifactError, match="not a readable model archive"):
        unpack_archive(path, tmp_path / "unpacked")


@pytest.fixture
def artifact_with_samples(artifact: Artifact) -> Artifact:
    for name in ("samples/01-apfel.jpg", "samples/02-pear.jpg"):
        path = artifact.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return artifact


def test_samples_travel_beside_the_manifest_and_in_the_archive(
    artifact_with_samples: Artifact, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    (output / "samples").mkdir(parents=True)
    (output / "samples" / "01-of-another-model.jpg").write_bytes(b"old")
    publish(artifact_with_samples, output)
    unpack_archive(output / "model.tar.gz", tmp_path / "unpacked")
    for folder in (output, tmp_path / "unpacked"):
        assert {path.name: path.read_text() for path in (folder / "samples").iterdir()} == {
            "01-apfel.jpg": "samples/01-apfel.jpg",
            "02-pear.jpg": "samples/02-pear.jpg",
        }
    with tarfile.open(output / "model.tar.gz") as archive:
        names = archive.getnames()
    assert names == ["manifest.json", "model.onnx", "samples/01-apfel.jpg", "samples/02-pear.jpg"]
    shutil.rmtree(artifact_with_samples.directory / "samples")
    publish(artifact_with_samples, output)
    assert not (output / "samples").exists()


@pytest.mark.parametrize("kind", ["name", "size", "link", "folder", "number", "linked folder"])
def test_what_is_no_sample_is_not_packed(
    artifact_with_samples: Artifact, tmp_path: Path, kind: str
) -> None:
    folder = artifact_with_samples.directory / "samples"
    if kind == "name":
        (folder / "notes.txt").write_text("mine")
    if kind == "size":
        (folder / "03-large.jpg").write_bytes(bytes((1 << 20) + 1))
    if kind == "link":
        (folder / "03-link.jpg").symlink_to(artifact_with_samples.directory / "model.onnx")
    if kind == "folder":
        (folder / "03-folder.jpg").mkdir()
    if kind == "number":
        for number in range(3, 26):
            (folder / f"{number:02}-many.jpg").touch()
    if kind == "linked folder":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match=r"no sample image|at most 24|is no folder"):
        publish(artifact_with_samples, tmp_path / "output")
    assert not (tmp_path / "output" / "manifest.json").exists()


def test_the_server_reads_an_artifact_whatever_its_samples_are(
    artifact_with_samples: Artifact,
) -> None:
    (artifact_with_samples.directory / "samples" / "evil.sh").write_text("exit 1")
    assert read_artifact(artifact_with_samples.directory) == artifact_with_samples


@pytest.mark.parametrize(
    "name", ["samples/../evil.jpg", "samples/x/01-a.jpg", "samples/evil.sh", "other/01-a.jpg"]
)
def test_an_archive_with_another_file_in_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(ArtifactError, match="no sample image"):
        unpack_archive(path, tmp_path / "unpacked")
    assert not any((tmp_path / "unpacked").iterdir())


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Ankle boot", "03-ankle-boot"),
        ("Äpfel & Birnen!", "03-apfel-birnen"),
        ("猫", "03-class-7"),
        ("../../etc", "03-etc"),
        ("x" * 200, f"03-{'x' * 40}"),
        ("a" * 39 + " b", f"03-{'a' * 39}"),
    ],
)
def test_a_sample_is_named_after_its_label(label: str, expected: str) -> None:
    name = sample_name(3, label, 7)
    assert name == f"samples/{expected}.jpg"
    assert is_sample_name(name)
