"""Is `model.tar.gz` what its build wrote? Every byte of it is read, and nothing is unpacked."""

import gzip
import hashlib
import re
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from stacks.errors import InputError

MANIFEST_FILE = "manifest.json"
_MAX_FILE_BYTES = 2 << 30  # protobuf's own limit, and so that of an ONNX file
# tarfile reads an extension header of any length at once; a file is read in pieces of this size.
_MAX_READ_BYTES = 1 << 20
_SHA256_LINE = re.compile(r"([0-9a-f]{64})  model\.tar\.gz\n?")


def read_archive_sha256(archive: Path, sha256_file: Path) -> str:
    """Return the archive's sha256 in hexadecimal.

    Args:
        archive: `model.tar.gz`.
        sha256_file: what its build wrote beside it, one line as sha256sum prints it.

    Raises:
        InputError: the archive has another sha256 than the file states.
    """
    try:
        line = _SHA256_LINE.fullmatch(sha256_file.read_text(encoding="ascii"))
    except ValueError:
        line = None
    if line is None:
        raise InputError(
            f"{sha256_file}: expected one line, `<sha256 in hexadecimal>  {archive.name}`"
        )
    with archive.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != line[1]:
        raise InputError(
            f"{archive} was damaged or replaced after its build: its sha256 is {actual}, expected "
            f"{line[1]} as {sha256_file.name} states"
        )
    return actual


def check_members(archive: Path, manifest: bytes, files: Mapping[str, str]) -> None:
    """Check that the archive holds the manifest and the files that it names, and no more.

    Memory stays small and the time bounded, whatever the archive's headers state.

    Args:
        archive: `model.tar.gz`.
        manifest: content of the file beside the archive.
        files: sha256 in hexadecimal of each other file, by name.

    Raises:
        InputError: names the first member that is not as it should be.
    """
    missing = {MANIFEST_FILE, *files}
    try:
        with (
            _BoundedGzip(archive) as stream,
            tarfile.open(fileobj=stream, mode="r:") as opened,
        ):
            for member in opened:
                if member.name not in missing or not member.isreg() or member.issparse():
                    raise InputError(
                        f"{archive} holds {member.name!r}, expected the plain files "
                        f"{', '.join(sorted({MANIFEST_FILE, *files}))}, each once"
                    )
                missing.discard(member.name)
                _check_member(opened, member, archive, manifest, files)
    except (OSError, EOFError, RecursionError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{archive} cannot be read ({error})") from error
    if missing:
        raise InputError(f"{archive} holds no {', '.join(sorted(missing))}")


def _check_member(
    opened: tarfile.TarFile,
    member: tarfile.TarInfo,
    archive: Path,
    manifest: bytes,
    files: Mapping[str, str],
) -> None:
    if not 0 <= member.size <= _MAX_FILE_BYTES:
        raise InputError(
            f"{archive}: {member.name} has {member.size} bytes, expected at most {_MAX_FILE_BYTES}"
        )
    file = opened.extractfile(member)
    assert file is not None  # noqa: S101 - of a regular file there always is one
    actual = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it reads
    if member.name == MANIFEST_FILE:
        if actual != hashlib.sha256(manifest).hexdigest():
            raise InputError(
                f"{archive.parent / MANIFEST_FILE} is not the manifest inside {archive.name}, "
                "they come from different builds"
            )
    elif actual != files[member.name]:
        raise InputError(
            f"{archive}: {member.name} has the sha256 {actual}, expected {files[member.name]} as "
            "its manifest states"
        )


class _BoundedGzip(gzip.GzipFile):
    """Refuses to read much at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MAX_READ_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)
