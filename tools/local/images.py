"""The image files that a path, a folder or a pattern names."""

import glob
from pathlib import Path
from typing import Final

from tools.console import ToolError

_SUFFIXES: Final = frozenset({".jpeg", ".jpg", ".png", ".webp"})


def find_images(named: str) -> list[Path]:
    """Return the files, sorted by name.

    Args:
        named: the path of a file, the path of a folder with JPEG, PNG and WebP files, or a pattern
            as of a shell, where `**` matches folders too. A path that exists is no pattern.

    Raises:
        ToolError: there is no such file.
    """
    path = Path(named).expanduser()
    if path.is_dir():
        found = [
            file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES and file.is_file()
        ]
        if not found:
            raise ToolError(f"{named} is a folder without JPEG, PNG or WebP files.")
        return sorted(found)
    if path.is_file():
        return [path]
    if path.exists():
        raise ToolError(f"{named} is a device or a pipe: expected an image file.")
    matches = (Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = sorted(match for match in matches if match.is_file())
    if not files:
        kind = "matches no file" if glob.has_magic(named) else "does not exist"
        raise ToolError(f"{named} {kind}: expected an image, a folder of images or a pattern.")
    return files
