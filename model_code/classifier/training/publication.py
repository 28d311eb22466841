"""An artifact's directory -> what is deployed: the archive, and its manifest beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from classifier.artifact import MANIFEST_FILE, Artifact, ArtifactError, read_artifact
from classifier.training.archive import pack_artifact, unpack_archive

ARCHIVE_FILE: Final = "model.tar.gz"


def publish(artifact: Artifact, output: Path) -> None:
    """Write `model.tar.gz` and `manifest.json` into `output` and read the archive back.

    The manifest beside the archive is what synthesis believes, so it is away while the archive
    changes: an interrupted build leaves no artifact rather than a wrong one.

    Raises:
        ArtifactError: what was written does not read back as the same artifact.
    """
    output.mkdir(parents=True, exist_ok=True)
    archive, manifest = output / ARCHIVE_FILE, output / MANIFEST_FILE
    manifest.unlink(missing_ok=True)
    pack_artifact(artifact, archive)
    with tempfile.TemporaryDirectory(dir=output, prefix=".checking-") as folder:
        unpack_archive(archive, Path(folder))
        if read_artifact(Path(folder)).manifest != artifact.manifest:
            raise ArtifactError(f"{archive} does not hold what was packed; is the disk sound?")
        # The archive's members are of 1970; `make` compares times.
        Path(folder, MANIFEST_FILE).touch()
        Path(folder, MANIFEST_FILE).replace(manifest)
    megabytes = archive.stat().st_size / 1e6
    described = artifact.manifest
    print(f"{archive}: {described.name}, {megabytes:.1f} MB")
