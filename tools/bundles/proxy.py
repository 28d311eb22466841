"""Build the proxy's Lambda asset from its sources and the pinned packages installed here.

Needs no network and no Docker: all packages are pure Python, so every machine builds the same
files. If Python of the Lambda runtime's version is installed, byte code is added.
"""

import argparse
import importlib.metadata
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tools.bundles.byte_code import RUNTIME_VERSION, compile_files, find_interpreter, is_byte_code
from tools.console import run_tool

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "lambda_src"
PACKAGE = "classifier_proxy"
INVENTORY = "bundle.json"
"""File in a bundle that lists its content; only a directory with it may be replaced."""

_LICENCE_PREFIXES = ("LICENSE", "LICENCE", "NOTICE", "COPYING")


class BundleError(Exception):
    """The bundle cannot be built; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see --help.

    Args:
        arguments: the command's arguments; None: `sys.argv`.

    Returns:
        The exit status: 0, or 1 after one line on stderr.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.bundles.proxy", description=__doc__)
    parser.add_argument(
        "--output",
        type=Path,
        default=REPOSITORY / "build" / "lambda",
        help="directory to write; not touched if nothing has changed (default: build/lambda)",
    )
    output: Path = parser.parse_args(arguments).output
    interpreter = find_interpreter()
    try:
        files = collect_files(SOURCES)
        changed = write_bundle(files, output, interpreter)
    except (BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size_kb = sum(map(len, files.values())) / 1000
    state = "written" if changed else "unchanged"
    version = ".".join(map(str, RUNTIME_VERSION))
    byte_code = (
        f"with byte code of Python {version}"
        if interpreter
        else f"without byte code: no Python {version} here, so cold starts take longer"
    )
    print(f"{output}: {len(files)} files, {size_kb:.0f} kB, {state}, {byte_code}")
    return 0


def collect_files(sources: Path) -> dict[str, bytes]:
    """Read the files of the bundle.

    Args:
        sources: directory with `classifier_proxy` and `requirements.txt`.

    Returns:
        The content of each file by its path in the bundle, sorted by path.

    Raises:
        BundleError: a pinned package is not installed or has another version.
    """
    pins = read_pins(sources / "requirements.txt")
    files = {
        path.relative_to(sources).as_posix(): path.read_bytes()
        for path in (sources / PACKAGE).rglob("*.py")
    }
    for name, version in pins.items():
        files |= _distribution_files(name, version)
    inventory = json.dumps({"distributions": pins}, indent=2, sort_keys=True) + "\n"
    files[INVENTORY] = inventory.encode()
    return dict(sorted(files.items()))


def read_pins(requirements: Path) -> dict[str, str]:
    """Read a requirements file that has only exact pins.

    Args:
        requirements: file with lines `name==version`, comments and empty lines.

    Returns:
        Version by name.

    Raises:
        BundleError: another kind of line.
    """
    pins = {}
    for number, line in enumerate(requirements.read_text(encoding="utf-8").splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        name, separator, version = content.partition("==")
        if not separator or not name.strip() or not version.strip() or ";" in version:
            raise BundleError(
                f"{requirements.name}, line {number}: expected name==version, got {content!r}"
            )
        pins[name.strip()] = version.strip()
    return pins


def write_bundle(files: Mapping[str, bytes], output: Path, interpreter: Path | None) -> bool:
    """Write the files to a directory, replacing an existing bundle.

    Args:
        files: content by path relative to the directory.
        output: the directory to write.
        interpreter: the Python that compiles byte code; None: no byte code.

    Returns:
        Whether anything was written; False if the directory already had exactly these files.

    Raises:
        BundleError: `output` exists and is not a bundle, or a file does not compile.
    """
    if output.exists():
        if not output.is_dir() or (any(output.iterdir()) and not (output / INVENTORY).is_file()):
            raise BundleError(
                f"{output} exists and is not a bundle of the proxy (it has no {INVENTORY});"
                " remove it or choose another --output"
            )
        if _holds(output, files, with_byte_code=interpreter is not None):
            return False
    byte_code = _compile(files, interpreter) if interpreter else {}
    output.parent.mkdir(parents=True, exist_ok=True)
    # Next to the output, so that the renames stay within one file system.
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as temporary:
        fresh, old = Path(temporary, "fresh"), Path(temporary, "old")
        for name, content in {**files, **byte_code}.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o644)
        if output.exists():
            output.rename(old)
        fresh.rename(output)
    return True


def _distribution_files(name: str, version: str) -> dict[str, bytes]:
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise BundleError(f"{name} {version} is not installed; install requirements.txt") from error
    if distribution.version != version:
        raise BundleError(
            f"{name} {distribution.version} is installed, lambda_src/requirements.txt pins"
            f" {version}; pin the version of requirements.txt there and install requirements.txt"
        )
    listed = distribution.files or []
    files = {
        path.as_posix(): Path(str(path.locate())).read_bytes() for path in listed if _kept(path)
    }
    if not files:
        raise BundleError(f"{name} {version} does not list its files; reinstall it with uv or pip")
    return files


def _kept(path: PurePosixPath) -> bool:
    """Keep code and licences; leave out scripts, byte code, C, tests and install records."""
    folder = path.parts[0]
    if folder.endswith(".dist-info"):
        return path.name == "METADATA" or path.name.upper().startswith(_LICENCE_PREFIXES)
    if ".." in path.parts or path.is_absolute():
        return False
    return path.suffix not in {".pyc", ".so", ".pyd", ".c", ".pyi"} and not (
        {"__pycache__", "test", "tests"} & set(path.parts)
    )


def _compile(files: Mapping[str, bytes], interpreter: Path) -> dict[str, bytes]:
    try:
        return compile_files(files, interpreter)
    except subprocess.SubprocessError as error:
        output = getattr(error, "stdout", None) or b""
        raise BundleError(
            f"{interpreter} cannot compile the bundle: {output.decode(errors='replace').strip()}"
        ) from error


def _holds(directory: Path, files: Mapping[str, bytes], *, with_byte_code: bool) -> bool:
    found = _read_tree(directory)
    major, minor = RUNTIME_VERSION
    modules = [PurePosixPath(name) for name in files if name.endswith(".py")] * with_byte_code
    # Python may have written other byte code into the directory.
    expected = {
        (path.parent / "__pycache__" / f"{path.stem}.cpython-{major}{minor}.pyc").as_posix()
        for path in modules
    }
    sources = {name: content for name, content in found.items() if not is_byte_code(name)}
    return sources == dict(files) and found.keys() - sources.keys() == expected


def _read_tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    run_tool(main)
