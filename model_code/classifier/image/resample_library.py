"""The compiled library of `resample.c`: where it is, how it is compiled and loaded.

Run as a program, this file compiles it for this interpreter's environment. Without it Pillow
resizes the images, to the same bytes in four times the time. Imports only the standard library.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

_SOURCE: Final = Path(__file__).with_name("resample.c")
_FLAGS: Final = ("-O3", "-std=c11", "-shared", "-fPIC", "-s")
_PROCESSORS: Final = ("x86_64", "AMD64")
_pointer, _integer, _length = ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t


def library_path() -> Path:
    """Return where the library of this source belongs: no other version's is ever loaded."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()
    return Path(sys.prefix) / "lib" / f"whippet-resample-{digest[:16]}.so"


def load_library(path: Path) -> ctypes.CDLL | None:
    """Return the library, or `None` if this processor lacks AVX2."""
    library = ctypes.CDLL(str(path))
    if not library.whippet_can_resize():
        return None
    arguments: list[Any] = [_pointer, _length, _integer, _pointer, _pointer]
    arguments += [_integer, _integer, _pointer, _integer]
    for function in (library.whippet_resize_across, library.whippet_resize_down):
        function.argtypes = arguments
        function.restype = None
    return library


def installed_library() -> ctypes.CDLL | None:
    """Return the library of this environment; `None` if there is none, or as `load_library`."""
    # A training job has the modules without the source.
    if not (_SOURCE.exists() and library_path().exists()):
        return None
    return load_library(library_path())


def compile_library(path: Path, compiler: str) -> None:
    """Compile the library.

    Args:
        path: where to write it.
        compiler: command line of a C compiler, GCC's or Clang's.

    Raises:
        OSError: there is no such compiler.
        subprocess.CalledProcessError: it failed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: another process may load it.
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        command = [*shlex.split(compiler), *_FLAGS, "-o", str(unfinished), str(_SOURCE)]
        subprocess.run(command, check=True)  # noqa: S603 - the compiler that the caller names
        unfinished.rename(path)


def main() -> int:
    """Compile the library where it is looked for; return 1 after one line with the error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default=os.environ.get("CC", "cc"), help="default: $CC or cc")
    options = parser.parse_args()
    if platform.machine() not in _PROCESSORS:
        print(f"resample_library: {platform.machine()} has no AVX2; Pillow resizes the images")
        return 0
    try:
        compile_library(library_path(), options.compiler)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"resample_library: {error}; Pillow resizes the images", file=sys.stderr)
        return 1
    print(f"Written: {library_path()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
