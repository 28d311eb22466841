"""An artifact's directory -> what is deployed: the archive, its sha256 and its manifest beside it.

The archive is what is deployed, and its sha256 is its name on AWS; the manifest says what is in it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from classifier.artifact.directory import (
    MANIFEST_FILE,
    Artifact,
    ArtifactError,
    file_sha256,
    read_artifact,
)
from classifier.artifact.packing import pack_artifact, unpack_archive

ARCHIVE_FILE: Final = "model.tar.gz"
SHA256_FILE: Final = "model.tar.gz.sha256"
# As much of the archive's sha256 as responses name a model by.
VERSION_LENGTH: Final = 12


def publish(artifact: Artifact, output: Path) -> None:
    """Write `model.tar.gz`, its sha256 and `manifest.json` into `output`; read the archive back.

    Synthesis takes the three together or not at all. The manifest goes first and comes last, so
    that an interrupted build leaves no artifact rather than a wrong one.

    Raises:
        ArtifactError: what was written does not read back as the same artifact.
    """
    output.mkdir(parents=True, exist_ok=True)
    archive, manifest = output / ARCHIVE_FILE, output / MANIFEST_FILE
    sha256_file = output / SHA256_FILE
    for stale in (manifest, sha256_file):
        stale.unlink(missing_ok=True)
    pack_artifact(artifact, archive)
    with tempfile.TemporaryDirectory(dir=output, prefix=".checking-") as folder:
        unpack_archive(archive, Path(folder))
        if read_artifact(Path(folder)).manifest != artifact.manifest:
            raise ArtifactError(f"{archive} does not hold what was packed; is the disk sound?")
        sha256 = file_sha256(archive)
        # What `sha256sum model.tar.gz` prints: `sha256sum --check` takes it.
        sha256_file.write_text(f"{sha256}  {ARCHIVE_FILE}\n", encoding="ascii")
        # The archive's members are of 1970; `make` compares times.
        Path(folder, MANIFEST_FILE).touch()
        Path(folder, MANIFEST_FILE).replace(manifest)
    megabytes = archive.stat().st_size / 1e6
    described = artifact.manifest
    print(f"{archive}: {described.name}, version {sha256[:VERSION_LENGTH]}, {megabytes:.1f} MB")
