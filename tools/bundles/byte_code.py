"""Byte code for the proxy's asset, compiled by the Lambda runtime's Python version.

Lambda's file system is read-only: without byte code every cold start compiles every module.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

RUNTIME_VERSION = (3, 13)
_TASK_ROOT = "/var/task"
_TIMEOUT_SECONDS = 120.0


def find_interpreter(version: tuple[int, int] = RUNTIME_VERSION) -> Path | None:
    """Find a CPython of a version, on PATH or installed by pyenv or uv.

    Args:
        version: major and minor version.

    Returns:
        An interpreter of that version that runs; None if there is none.
    """
    name = f"python{version[0]}.{version[1]}"
    home = Path.home()
    installed = [
        *sorted((home / ".pyenv" / "versions").glob(f"{version[0]}.{version[1]}.*/bin/{name}")),
        *sorted((home / ".local" / "share" / "uv" / "python").glob(f"cpython-*/bin/{name}")),
    ]
    folders = os.environ.get("PATH", "").split(os.pathsep)
    found = [shutil.which(name, path=folder) for folder in folders if folder]
    # A name on PATH may be a pyenv shim without an installed version.
    for candidate in (*(Path(path) for path in found if path), *installed):
        if _is_cpython(candidate, version):
            return candidate
    return None


def compile_files(files: Mapping[str, bytes], interpreter: Path) -> dict[str, bytes]:
    """Compile the Python modules of a bundle.

    The byte code contains its source's hash, which is not checked (`unchecked-hash`, PEP 552). The
    default kind would be invalid: the asset's zip does not keep modification times.

    Args:
        files: content by path in the bundle.
        interpreter: the Python that compiles.

    Returns:
        The byte code by path in the bundle.

    Raises:
        subprocess.SubprocessError: a module could not be compiled.
    """
    with tempfile.TemporaryDirectory(prefix="whippet-byte-code-") as temporary:
        folder = Path(temporary)
        for name, content in files.items():
            if name.endswith(".py"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        command = [str(interpreter), "-I", "-m", "compileall", "-q"]
        command += ["--invalidation-mode", "unchecked-hash", "-s", temporary, "-p", _TASK_ROOT]
        subprocess.run(  # noqa: S603 - an interpreter that `find_interpreter` has run
            [*command, temporary],
            check=True,
            capture_output=True,
            env={"PYTHONHASHSEED": "0"},
            timeout=_TIMEOUT_SECONDS,
        )
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*.pyc"))
        }


def is_byte_code(name: str) -> bool:
    """Return whether a path in a bundle is a byte code file.

    Args:
        name: the path.
    """
    return PurePosixPath(name).suffix == ".pyc"


def _is_cpython(candidate: Path, version: tuple[int, int]) -> bool:
    program = "import sys; print(sys.implementation.name, *sys.version_info[:2])"
    try:
        ended = subprocess.run(  # noqa: S603 - an interpreter found by its program name
            [str(candidate), "-I", "-c", program],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return ended.stdout.split() == ["cpython", str(version[0]), str(version[1])]
