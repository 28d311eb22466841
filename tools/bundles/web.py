"""Build the page's bundle: web/ with its assets in a folder named by hash, and openapi.json."""

import argparse
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.api_docs.openapi import document
from tools.cdk import ROOT
from tools.console import ToolError, run_tool

SOURCES = ROOT / "web"
_ASSETS = "assets/"
_HASH_DIGITS = 12


def main() -> None:
    """Write the bundle."""
    parser = argparse.ArgumentParser(prog="python -m tools.bundles.web", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "build" / "web",
        help="directory to write; not touched if nothing has changed (%(default)s)",
    )  # fmt: skip
    output: Path = parser.parse_args().output
    files = collect_files(SOURCES, document())
    state = "written" if write_bundle(files, output) else "unchanged"
    print(f"{output}: {len(files)} files, {sum(map(len, files.values())) / 1000:.0f} kB, {state}")


def collect_files(sources: Path, openapi: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of the page's bundle.

    The assets move from `assets/` to `assets/<hash>/`, so that browsers may cache them forever;
    they refer to each other by relative paths, so only the HTML files change.

    Args:
        sources: folder with the HTML files and `assets`.
        openapi: the API's OpenAPI document.

    Returns:
        The content of each file by its path, sorted by path.
    """
    found = {
        path.relative_to(sources).as_posix(): path.read_bytes()
        for path in sorted(sources.rglob("*"))
        if path.is_file()
    }
    assets = {name: content for name, content in found.items() if name.startswith(_ASSETS)}
    folder = f"{_ASSETS}{_digest(assets)}/"
    files = {name.replace(_ASSETS, folder, 1): content for name, content in assets.items()}
    for name in found.keys() - assets.keys():
        content = found[name]
        for before in ('"', '"/'):  # in HTML a path follows a quotation mark
            content = content.replace(f"{before}{_ASSETS}".encode(), f"{before}{folder}".encode())
        files[name] = content
    files["openapi.json"] = (json.dumps(openapi, indent=2) + "\n").encode()
    return dict(sorted(files.items()))


def write_bundle(files: Mapping[str, bytes], output: Path) -> bool:
    """Write the files to a directory, replacing an existing bundle.

    Returns:
        Whether anything was written; False if the directory already had exactly these files.

    Raises:
        ToolError: `output` exists and is not a bundle of the page.
    """
    if output.exists():
        if not output.is_dir() or (any(output.iterdir()) and not (output / "index.html").exists()):
            raise ToolError(
                f"{output} exists and is not a bundle of the page (it has no index.html): "
                "remove it, or choose another --output"
            )
        present = {
            path.relative_to(output).as_posix(): path.read_bytes()
            for path in output.rglob("*")
            if path.is_file()
        }
        if present == dict(files):
            return False
        shutil.rmtree(output)
    for name, content in files.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return True


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:_HASH_DIGITS]


if __name__ == "__main__":
    run_tool(main)
