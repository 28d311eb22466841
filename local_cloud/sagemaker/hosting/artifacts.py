"""Downloads a model's artifact from the local S3, with the execution role's credentials."""

import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform
from local_cloud.sagemaker.role_clients import s3_client


def artifact_url(container: dict[str, Any]) -> str | None:
    """Return the S3 address of a container's gzip-compressed model artifact, if it has one.

    Raises:
        HostingError: the kind of model source is not emulated.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        return container.get("ModelDataUrl")
    if (source["S3DataType"], source["CompressionType"]) != ("S3Object", "Gzip"):
        raise HostingError(
            "The local cloud takes a model artifact as one gzip-compressed object "
            f"(S3DataType S3Object, CompressionType Gzip); got {source}."
        )
    return str(source["S3Uri"])


def fetch_artifact(
    platform: Platform, scope: Scope, *, url: str, role_arn: str, destination: Path
) -> None:
    """Download and unpack an artifact into a new folder.

    Raises:
        HostingError: the role may not read it, or it cannot be unpacked.
    """
    bucket, key = urlsplit(url).netloc, urlsplit(url).path.lstrip("/")
    client = s3_client(platform, scope, role_arn)
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as archive:
        try:
            client.download_fileobj(bucket, key, archive)
        except (ClientError, BotoCoreError) as error:
            raise HostingError(
                f"Failed to download model data from {url} with the role {role_arn}. Please "
                f"ensure that the object exists and that the role may read it. {error}"
            ) from error
        archive.flush()
        unpack(Path(archive.name), destination, what=f"The model data of {url}")


def unpack(archive: Path, destination: Path, *, what: str) -> None:
    """Unpack a gzip-compressed tar into a new folder.

    Args:
        archive: the file.
        destination: the folder, which must not exist or be empty.
        what: what the archive is, for the error's message.

    Raises:
        HostingError: it is not such an archive, or has members that are not files inside it.
    """
    partial = destination.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                _write_member(members, member, partial, what)
        partial.replace(destination)
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as error:
        raise HostingError(
            f"{what} cannot be unpacked; expected a gzip-compressed tar: {error}"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, what: str
) -> None:
    """Write one file. Not `extract`: its filters need Python 3.11.4, and Debian 12 has 3.11.2."""
    if member.isdir():
        return
    target = (folder / member.name).resolve()
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or not target.is_relative_to(folder.resolve()):
        raise HostingError(f"{what} holds {member.name}, which is not a file inside the archive.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)
