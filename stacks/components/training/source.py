"""Packs the source archive of a training job, which AWS's PyTorch images unpack.

Imports neither CDK nor torch: the tests of the training code use it too.
"""

import ast
import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from stacks.errors import InputError

PROGRAM = "train.py"
# Not requirements.txt, which the image's toolkit would install from PyPI.
REQUIREMENTS = "requirements-job.txt"
WHEELS_PREFIX = "wheels"
QUANTIZE_REQUIREMENTS = "requirements-quantize.txt"
_PRESETS = "presets/*.json"
_MAX_STORED_BLOCK_BYTES = 0xFFFF


def pack_training_source(directory: Path) -> bytes:
    """Return a `.tar.gz` of `train.py`, the modules it imports, its presets and its requirements.

    The same files result in the same bytes on every machine. Modules that only serving uses are
    left out, so that a change of the model server does not change the archive.

    Args:
        directory: the folder with `train.py`, `requirements-job.txt` and
            `requirements-quantize.txt`.

    Raises:
        InputError: one of these files is missing, or a module is not valid Python.
    """
    return _gzip(_tar(training_files(directory)))


def wheels_prefix(directory: Path, packages: Literal["wheels", "image"]) -> str | None:
    """Return the S3 prefix, with a slash at its end, of the packages that a job installs.

    Other requirements have another prefix: a job that runs keeps its own.

    Args:
        directory: as of `pack_training_source`.
        packages: the setting; None is returned if the image has them.

    Raises:
        InputError: the file of requirements is missing.
    """
    if packages == "image":
        return None
    digest = hashlib.sha256(_read(directory / REQUIREMENTS)).hexdigest()
    return f"{WHEELS_PREFIX}/{digest}/"


def training_files(directory: Path) -> dict[str, bytes]:
    """Return the content of each file by its path in the archive, sorted by path.

    Raises:
        InputError: as `pack_training_source`.
    """
    modules: set[Path] = set()
    pending = [directory / PROGRAM]
    while pending:
        module = pending.pop()
        if module not in modules:
            modules.add(module)
            pending += _imported_files(module, directory)
    others = [directory / REQUIREMENTS, directory / QUANTIZE_REQUIREMENTS]
    paths = [*modules, *others, *directory.glob(_PRESETS)]
    return {path.relative_to(directory).as_posix(): _read(path) for path in sorted(paths)}


def _imported_files(module: Path, directory: Path) -> Iterator[Path]:
    """Yield the files of `directory` that a module imports, including imports inside functions."""
    try:
        tree = ast.parse(_read(module), str(module))
    except SyntaxError as error:
        raise InputError(
            f"{module}, line {error.lineno}: {error.msg}: a training job could not import it"
        ) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _module_files(name.name, directory)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.relative_to(directory).parts[: -node.level]
                base = ".".join((*package, *filter(None, [base])))
            for name in node.names:
                yield from _module_files(f"{base}.{name.name}", directory)


def _module_files(name: str, directory: Path) -> Iterator[Path]:
    """Yield the files that `import name` runs; `name` may be an attribute of a module."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        path = directory.joinpath(*parts[:count])
        candidates = (path.with_suffix(".py"), path / "__init__.py")
        yield from (file for file in candidates if file.is_file())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): a training job needs it"
        ) from error


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            # TarInfo's defaults: time 0, owner and group 0 without names.
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _gzip(content: bytes) -> bytes:
    """Return `content` as a gzip file of stored blocks (RFC 1951, 3.2.4; RFC 1952).

    Uncompressed: the output of zlib and its replacements differs between machines.
    """
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # no flags, no time, unknown system
    blocks = []
    for start in range(0, len(content), _MAX_STORED_BLOCK_BYTES):
        block = content[start : start + _MAX_STORED_BLOCK_BYTES]
        is_last = start + _MAX_STORED_BLOCK_BYTES >= len(content)
        blocks.append(struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF) + block)
    return header + b"".join(blocks) + struct.pack("<II", zlib.crc32(content), len(content))
