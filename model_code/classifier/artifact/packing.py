"""Write and read `model.tar.gz`, which is deployed; its sha256, manifest and samples beside it."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Final

from classifier.artifact.directory import (
    MANIFEST_FILE,
    Artifact,
    ArtifactError,
    file_sha256,
    read_artifact,
)
from classifier.artifact.samples import SAMPLE_FOLDER, find_samples, is_sample_name

ARCHIVE_FILE: Final = "model.tar.gz"
SHA256_FILE: Final = "model.tar.gz.sha256"
# Responses name this many digits of the archive's sha256 as the model's version.
VERSION_LENGTH: Final = 12
# Weights hardly compress: level 9 takes 1.6 times as long as 1 and saves less than 1 %.
_COMPRESSION_LEVEL = 1


def publish(artifact: Artifact, output: Path) -> None:
    """Write `model.tar.gz`, its sha256, `manifest.json` and the sample images into `output`.

    Synthesis needs the first three. The old manifest is deleted first and the new one is written
    last, so that an interrupted build leaves no artifact rather than a wrong one.

    Raises:
        ArtifactError: the archive's content differs from the artifact when it is read back, or
            the artifact has a file among its samples that is none.
    """
    output.mkdir(parents=True, exist_ok=True)
    archive, manifest = output / ARCHIVE_FILE, output / MANIFEST_FILE
    sha256_file = output / SHA256_FILE
    for stale in (manifest, sha256_file):
        stale.unlink(missing_ok=True)
    shutil.rmtree(output / SAMPLE_FOLDER, ignore_errors=True)
    pack_artifact(artifact, archive)
    with tempfile.TemporaryDirectory(dir=output, prefix=".checking-") as folder:
        unpack_archive(archive, Path(folder))
        unpacked = read_artifact(Path(folder))
        if unpacked.manifest != artifact.manifest or not _have_same_samples(unpacked, artifact):
            raise ArtifactError(f"{archive} does not hold what was packed; check the disk")
        sha256 = file_sha256(archive)
        # The format of `sha256sum model.tar.gz`, which `sha256sum --check` reads.
        sha256_file.write_text(f"{sha256}  {ARCHIVE_FILE}\n", encoding="ascii")
        # Files in the archive have a time stamp of 1970; `make` needs the current time.
        Path(folder, MANIFEST_FILE).touch()
        if Path(folder, SAMPLE_FOLDER).exists():
            Path(folder, SAMPLE_FOLDER).replace(output / SAMPLE_FOLDER)
        Path(folder, MANIFEST_FILE).replace(manifest)
    megabytes = archive.stat().st_size / 1e6
    described = artifact.manifest
    print(f"{archive}: {described.name}, version {sha256[:VERSION_LENGTH]}, {megabytes:.1f} MB")


def pack_artifact(artifact: Artifact, archive_path: Path) -> None:
    """Write the artifact's files and samples, but no folders, to a gzipped tar.

    Names are sorted; times, owners and gzip's file name are left out, so that the bytes depend
    only on the files' contents. The archive is renamed into place when it is complete.
    """
    names = [MANIFEST_FILE, *artifact.manifest.files, *find_samples(artifact.directory)]
    members = sorted(names)
    # In the target's directory, because only a rename within one file system is atomic.
    descriptor, temporary_name = tempfile.mkstemp(dir=archive_path.parent, prefix=".packing-")
    temporary = Path(temporary_name)
    try:
        with (
            os.fdopen(descriptor, "wb") as raw,
            gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, raw, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for name in members:
                _add_member(archive, name, artifact.directory / name)
        temporary.chmod(0o644)
        temporary.replace(archive_path)
    finally:
        temporary.unlink(missing_ok=True)


def unpack_archive(archive_path: Path, directory: Path) -> None:
    """Extract a `model.tar.gz` into `directory`; nothing is written outside of it.

    Raises:
        ArtifactError: not a gzipped tar, damaged, or a member that is neither a plain file at the
            top nor a sample image. (Extraction filters came with Python 3.11.4; Debian 12 has
            3.11.2.)
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive_path, mode="r:gz") as archive:
            for member in archive:
                if member.isdir() and member.name == SAMPLE_FOLDER:
                    continue  # SageMaker writes one when it packs what a training job wrote
                content = archive.extractfile(member) if member.isreg() else None
                is_known = Path(member.name).name == member.name or is_sample_name(member.name)
                if content is None or not is_known:
                    raise ArtifactError(
                        f"{archive_path} is not a readable model archive: it holds "
                        f"{member.name!r}, which is no plain file at its top and no sample image"
                    )
                if is_sample_name(member.name):
                    (directory / SAMPLE_FOLDER).mkdir(exist_ok=True)
                with (directory / member.name).open("wb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ArtifactError(f"{archive_path} is not a readable model archive: {error}") from error


def _have_same_samples(first: Artifact, second: Artifact) -> bool:
    digests = [
        {name: file_sha256(one.directory / name) for name in find_samples(one.directory)}
        for one in (first, second)
    ]
    return digests[0] == digests[1]


def _add_member(archive: tarfile.TarFile, name: str, path: Path) -> None:
    content = path.read_bytes()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(content))
