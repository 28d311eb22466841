"""Unpack a zip of images, which may come from anybody."""

from __future__ import annotations

import errno
import hashlib
import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from classifier.training.errors import DataError

MAX_FILES: Final = 2_000_000
MAX_BYTES: Final = 200 * 2**30
MAX_LEVELS: Final = 100
_IS_ENCRYPTED: Final = 1
_DIGITS_OF_NAME: Final = 16
_MAX_SHOWN: Final = 80
# What zipfile raises for a damaged archive, which it does not document: found with random damage.
# The errors that are no damage: a compression that Python lacks.
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    IndexError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


def unpack_zip(archive: Path, parent: Path) -> Path:
    """Return a folder with the files of a zip, unpacked once for the same bytes.

    Args:
        archive: the zip.
        parent: holds a folder for each zip, named after its sha256.

    Raises:
        DataError: no zip, encrypted, damaged, too large, or with a member that is a link or would
            be written outside of the folder. Nothing is unpacked then.
    """
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = parent / digest[:_DIGITS_OF_NAME]
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=parent, prefix=".unpacking-"))
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked(archive, opened.infolist())
            for member, path in members:
                target = temporary / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("xb") as written:
                    shutil.copyfileobj(source, written)
        temporary.replace(folder)
    except _UNREADABLE as error:
        raise DataError(f"{archive} is no readable zip: {error}; pack it again") from error
    except FileExistsError as error:
        raise DataError(
            f"{archive} has two files named {Path(str(error.filename)).name!r} in one folder; "
            "give them different names"
        ) from error
    except OSError as error:
        # bz2 gives no number, and a seek before the start of the file this one.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise DataError(f"{archive} is no readable zip: {error}; pack it again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _checked(
    archive: Path, members: list[zipfile.ZipInfo]
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    files = [member for member in members if not member.is_dir()]
    size = sum(member.file_size for member in files)
    if len(files) > MAX_FILES or size > MAX_BYTES:
        raise DataError(
            f"{archive} would unpack to {len(files)} files of {size / 2**30:.1f} GiB; at most "
            f"{MAX_FILES} files of {MAX_BYTES // 2**30} GiB are unpacked"
        )
    checked = []
    for member in files:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        mode = member.external_attr >> 16
        if member.flag_bits & _IS_ENCRYPTED:
            raise DataError(f"{archive} is encrypted; unpack it and give the folder")
        if not path.parts or len(path.parts) > MAX_LEVELS:
            raise DataError(
                f"{archive} has the member {member.filename[:_MAX_SHOWN]!r}; expected a file's "
                f"name in at most {MAX_LEVELS - 1} folders"
            )
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise DataError(f"{archive} has the member {member.filename!r}, outside of its folder")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise DataError(f"{archive} has the member {member.filename!r}, which is no plain file")
        checked.append((member, path))
    return checked
