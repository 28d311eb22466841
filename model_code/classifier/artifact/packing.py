"""`model.tar.gz`: the artifact as SageMaker ships it, the same bytes on every build."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from classifier.artifact.directory import MANIFEST_FILE, Artifact, ArtifactError

# Weights are noise to gzip: level 9 takes 1.6 times as long as 1 and saves less than 1 %.
_COMPRESSION_LEVEL = 1


def pack_artifact(artifact: Artifact, archive_path: Path) -> None:
    """Write the artifact's files, flat, to a gzipped tar at `archive_path`.

    Names are sorted; times, owners and gzip's file name are left out, so that the bytes depend
    only on the files' contents. The file appears whole or not at all.
    """
    members = sorted([MANIFEST_FILE, *artifact.manifest.files])
    # Beside the target: only a rename within one file system is atomic.
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
        ArtifactError: not a gzipped tar, damaged, or a member that is not a plain file at the
            top. (Extraction filters came with Python 3.11.4; Debian 12 has 3.11.2.)
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive_path, mode="r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or Path(member.name).name != member.name:
                    raise ArtifactError(
                        f"{archive_path} is not a readable model archive: it holds "
                        f"{member.name!r}, which is no plain file at its top"
                    )
                with (directory / member.name).open("wb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ArtifactError(f"{archive_path} is not a readable model archive: {error}") from error


def _add_member(archive: tarfile.TarFile, name: str, path: Path) -> None:
    content = path.read_bytes()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(content))
