"""Check every byte of `model.tar.gz` against its build's output, without unpacking it."""

import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from classifier.artifact.directory import MANIFEST_FILE
from classifier.artifact.samples import (
    MAX_SAMPLE_BYTES,
    MAX_SAMPLES,
    SAMPLE_FOLDER,
    is_sample_name,
)
from stacks.components.serving.gzip_reader import GzipReader
from stacks.errors import InputError

_MAX_FILE_BYTES = 2 << 30  # protobuf's limit, so also of an ONNX file
_MAX_READ_BYTES = 1 << 20
_BLOCK_BYTES = 512
_MIN_END_BYTES = 2 * _BLOCK_BYTES
_MAX_END_BYTES = 1 << 20  # tar fills its last record, 10 KiB by default
_PLAIN_FILE, _FOLDER = b"0", b"5"
_USTAR = b"ustar\x0000"
_SIZE = re.compile(rb"([0-7]{11})[ \0]")
_SHA256_LINE = re.compile(r"([0-9a-f]{64})  model\.tar\.gz\n?")


def read_archive_sha256(archive: Path, sha256_file: Path) -> str:
    """Return the archive's sha256 in hexadecimal.

    Args:
        archive: `model.tar.gz`.
        sha256_file: the file that the build wrote beside it: one line, as printed by sha256sum.

    Raises:
        InputError: the archive's sha256 differs from the one in the file.
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


def check_members(archive: Path, manifest: bytes, files: Mapping[str, str]) -> dict[str, str]:
    """Check that the archive contains the manifest, the files that it names and sample images only.

    Memory and time are bounded, whatever the archive's headers state. Python's tarfile is not
    used: it parses extension headers in quadratic time, and treats a damaged header as the end of
    the archive, after which another tar program may find more files.

    Args:
        archive: `model.tar.gz`.
        manifest: content of the file beside the archive.
        files: sha256 in hexadecimal of each other file, by name.

    Returns:
        The sha256 in hexadecimal of each sample image, by name.

    Raises:
        InputError: names the first member that is wrong.
    """
    expected = {**files, MANIFEST_FILE: hashlib.sha256(manifest).hexdigest()}
    found: dict[str, str] = {}
    try:
        with archive.open("rb") as file:
            stream = GzipReader(file)
            while any(header := _read_exactly(stream, _BLOCK_BYTES)):
                _check_checksum(header)
                name = header[:100].rstrip(b"\0").decode("ascii", "replace")
                is_full = is_sample_name(name) and _sample_count(found) == MAX_SAMPLES
                if name in found or is_full or not _is_allowed(name, header, expected):
                    raise InputError(
                        f"{archive} holds {name!r}, expected the plain files "
                        f"{', '.join(sorted(expected))} and at most {MAX_SAMPLES} sample images as "
                        f"{SAMPLE_FOLDER}/01-label.jpg, each once, in ustar format"
                    )
                found[name] = _hash_member(
                    stream, header, _MAX_FILE_BYTES if name in expected else MAX_SAMPLE_BYTES
                )
                if found[name] != expected.get(name, found[name]):
                    raise InputError(_difference(archive, name, found[name], expected[name]))
            _check_end(stream)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise InputError(f"{archive} cannot be read ({error})") from error
    if missing := sorted(expected.keys() - found.keys()):
        raise InputError(f"{archive} holds no {', '.join(missing)}")
    return {name: sha256 for name, sha256 in found.items() if is_sample_name(name)}


def _check_checksum(header: bytes) -> None:
    checksum = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if header[148:156] != b"%06o\0 " % checksum:
        raise ValueError("a header is damaged or not in ustar format")


def _sample_count(names: Iterable[str]) -> int:
    return sum(map(is_sample_name, names))


def _is_allowed(name: str, header: bytes, expected: Mapping[str, str]) -> bool:
    """Return False for a link, a device, any extension of ustar, or a file of another name."""
    if name == f"{SAMPLE_FOLDER}/":
        # SageMaker packs the folder too, where a training job wrote samples.
        has_content = header[124:135].strip(b"0")
        return _is_ustar(header, _FOLDER) and not has_content
    return (name in expected or is_sample_name(name)) and _is_ustar(header, _PLAIN_FILE)


def _is_ustar(header: bytes, kind: bytes) -> bool:
    prefix = header[345:500]
    return header[156:157] == kind and header[257:265] == _USTAR and not any(prefix)


def _hash_member(stream: GzipReader, header: bytes, max_bytes: int) -> str:
    stated = _SIZE.fullmatch(header[124:136])
    if stated is None:
        raise ValueError("a file's size is not in ustar format")
    size = int(stated[1], 8)
    if size > max_bytes:
        raise ValueError(f"a file of {size} bytes, expected at most {max_bytes}")
    digest = hashlib.sha256()
    for start in range(0, size, _MAX_READ_BYTES):
        digest.update(_read_exactly(stream, min(_MAX_READ_BYTES, size - start)))
    if any(_read_exactly(stream, -size % _BLOCK_BYTES)):
        raise ValueError("data follow a file where zeros are expected")
    return digest.hexdigest()


def _check_end(stream: GzipReader) -> None:
    """Check that only zeros follow the last member; one block of them was already read."""
    end = stream.read(_MAX_END_BYTES)
    length = _BLOCK_BYTES + len(end)
    if any(end) or length % _BLOCK_BYTES or not _MIN_END_BYTES <= length <= _MAX_END_BYTES:
        raise ValueError(
            f"expected {_MIN_END_BYTES} to {_MAX_END_BYTES} bytes of zeros after the last file, "
            "and nothing else"
        )


def _read_exactly(stream: GzipReader, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError("it ends early")
    return content


def _difference(archive: Path, name: str, actual: str, expected: str) -> str:
    if name == MANIFEST_FILE:
        return (
            f"{archive.parent / MANIFEST_FILE} is not the manifest inside {archive.name}, "
            "they come from different builds"
        )
    return f"{archive}: {name} has the sha256 {actual}, expected {expected} as its manifest states"
