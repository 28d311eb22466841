"""The archive of a registered model, as a folder that can be promoted."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from classifier.artifact.directory import MANIFEST_FILE, ArtifactError
from classifier.artifact.packing import ARCHIVE_FILE, SHA256_FILE, unpack_archive
from classifier.artifact.samples import SAMPLE_FOLDER
from stacks.components.serving.model_lock import served_key
from tools.aws import is_missing_object_or_bucket
from tools.console import ToolError, step
from tools.s3_uri import S3Uri
from tools.training.packages import Package

_READ_BYTES: Final = 1 << 20


@contextmanager
def candidate_folder(s3: Any, package: Package) -> Iterator[Path]:
    """Download the archive of a package; yield a folder of it, its sha256, manifest and samples.

    Args:
        s3: boto3 client.
        package: the registered model.

    Raises:
        ToolError: the archive has expired, or is not the one that was registered.
    """
    if not package.sha256 or package.archive is None:
        raise ToolError(
            f"{package.arn} has no sha256 or no archive: it was not registered by this project's "
            "training. Promote a folder with MODEL=, or a package that `make models` lists."
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder, unpacked = Path(temporary, "model"), Path(temporary, "unpacked")
        folder.mkdir()
        with step(f"Download package {package.version} of {package.group}"):
            _download(s3, package, package.archive, folder / ARCHIVE_FILE)
            try:
                unpack_archive(folder / ARCHIVE_FILE, unpacked)
            except ArtifactError as error:
                raise ToolError(f"Package {package.version}: {error}") from error
        (folder / SHA256_FILE).write_text(f"{package.sha256}  {ARCHIVE_FILE}\n", encoding="ascii")
        for name in (MANIFEST_FILE, SAMPLE_FOLDER):
            if (unpacked / name).exists():
                shutil.move(unpacked / name, folder / name)
        yield folder


def _download(s3: Any, package: Package, archive: S3Uri, target: Path) -> None:
    # A promoted model stays under its own key when the candidate has expired.
    promoted = S3Uri(archive.bucket, served_key(package.sha256))
    for address in (archive, promoted):
        actual = _fetch(s3, address, target)
        if actual == package.sha256:
            return
        if actual is not None:
            raise ToolError(
                f"{address} has the sha256 {actual}, expected {package.sha256} as package "
                f"{package.version} states: it was replaced after its registration. Train again."
            )
    raise ToolError(
        f"{archive} does not exist: the candidate of package {package.version} has expired "
        "(candidate_retention_days of [storage]) or was deleted. Train again, or promote another "
        "package with VERSION=."
    )


def _fetch(s3: Any, address: S3Uri, target: Path) -> str | None:
    """Write an object to a file; return its sha256, None if there is no such object."""
    digest = hashlib.sha256()
    try:
        body = s3.get_object(Bucket=address.bucket, Key=address.key)["Body"]
    except ClientError as error:
        if not is_missing_object_or_bucket(error):
            raise
        return None
    with target.open("wb") as file:
        for block in body.iter_chunks(_READ_BYTES):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
