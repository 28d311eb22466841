"""The archives of a training job: its source, and what it has made."""

import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.hosting.artifacts import unpack
from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.jobs.storage import Storage, parse_address
from local_cloud.sagemaker.jobs.training.folders import CONTAINER_DATA, HostFolders


def unpack_source(storage: Storage, submitted: str, folders: HostFolders) -> None:
    """Unpack the source of the program into the host's code folder.

    Args:
        storage: S3, with the role's permissions.
        submitted: `s3://bucket/key`, or a path below /opt/ml/input/data.
        folders: those of the host, with its channels.

    Raises:
        JobFailedError: the archive cannot be read or unpacked.
    """
    try:
        if "://" not in submitted:
            _unpack_channel(submitted, folders)
            return
        with tempfile.TemporaryDirectory(dir=folders.temporary) as folder:
            archive = Path(folder, "tar_file")
            storage.download(parse_address(submitted), archive)
            unpack(archive, folders.code, what=f"The source archive {submitted}")
    except HostingError as error:
        raise JobFailedError(f"AlgorithmError: {error}, exit code: 1") from error
    except JobFailedError as error:
        reason = str(error).replace("ClientError: Data download failed:", "")
        raise JobFailedError(
            f"AlgorithmError: framework error: the source could not be downloaded. {reason}, "
            "exit code: 1"
        ) from error


def _unpack_channel(submitted: str, folders: HostFolders) -> None:
    path = (folders.data / submitted.removeprefix(CONTAINER_DATA)).resolve()
    inside = submitted.startswith(CONTAINER_DATA) and path.is_relative_to(folders.data.resolve())
    if not inside or not path.exists():
        raise HostingError(
            f"The source {submitted} does not exist; expected an address s3://bucket/key or a path "
            f"{CONTAINER_DATA}<channel>/<file>"
        )
    if path.is_dir():
        shutil.copytree(path, folders.code)
    else:
        unpack(path, folders.code, what=f"The source archive {submitted}")


def write_archive(folders: Sequence[Path], archive: Path) -> bool:
    """Write the files of some folders to a `.tar.gz`, with paths relative to their folder.

    Args:
        folders: one a host; of files with the same path, the first host's is taken.
        archive: the file to write.

    Returns:
        Whether there were any files; without, nothing is written.
    """
    found = dict(reversed(list(_members(folders))))
    if not found:
        return False
    # Models and images do not become much smaller.
    with tarfile.open(archive, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as members:
        for path, file in sorted(found.items()):
            member = members.gettarinfo(str(file), arcname=path)
            # Whole seconds: then the format needs no header that plain tar lacks.
            member.mtime = int(member.mtime)
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            with file.open("rb") as content:
                members.addfile(member, content)
    return True


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the regular files of a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def _members(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for file in files_of(folder):
            yield file.relative_to(folder).as_posix(), file
