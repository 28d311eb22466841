"""How tests unpack archives that this project made."""

import tarfile
from pathlib import Path
from typing import Any


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack an archive of our own."""
    # Python 3.11.2, Debian 12's, has no filters; later versions warn without one.
    options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    archive.extractall(folder, **options)  # noqa: S202 - our own
