"""Write an artifact's manifest, and say which versions of libraries made the artifact."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from classifier.artifact.directory import MANIFEST_FILE
from classifier.artifact.manifest import Manifest

_MODULE_BY_LIBRARY: Final = {"pillow": "PIL"}


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write `manifest.json` at once: a process that is stopped leaves the one before."""
    temporary = directory / f".{MANIFEST_FILE}"
    temporary.write_text(manifest.to_json(), encoding="utf-8")
    temporary.replace(directory / MANIFEST_FILE)


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those libraries that can be imported, by name."""
    return {
        name: importlib.metadata.version(name)
        for name in names
        if importlib.util.find_spec(_MODULE_BY_LIBRARY.get(name, name))
    }
