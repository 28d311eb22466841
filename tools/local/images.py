"""The image files that a path, a folder or a pattern names."""

import glob
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.console import ToolError
from tools.local.api_client import UNKNOWN_TYPE, media_type

_START_BYTES: Final = 12
_MAX_NAMED: Final = 5


def find_images(named: str) -> list[Path]:
    """Return the files, sorted by name.

    Args:
        named: the path of a file, the path of a folder with JPEG, PNG and WebP files, whatever
            their names are, or a pattern as of a shell, where `**` matches folders too. A path that
            exists is no pattern.

    Raises:
        ToolError: there is no such file.
    """
    path = Path(named).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        is_image = {file: _is_image(file) for file in files}
        found = [file for file in files if is_image[file]]
        if not found:
            raise ToolError(
                f"{named} is a folder without JPEG, PNG or WebP files. For those of its folders "
                f"name a pattern: '{named.rstrip('/')}/**/*.jpg'."
            )
        _tell_others([file for file in files if not is_image[file]])
        return found
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


def _is_image(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return media_type(opened.read(_START_BYTES)) != UNKNOWN_TYPE
    except OSError:
        return True  # sending it says why it cannot be read


def _tell_others(files: Sequence[Path]) -> None:
    """Name the files of a folder that are left out; hidden ones are not the user's."""
    names = [file.name for file in files if not file.name.startswith(".")]
    if names:
        more = ", …" if len(names) > _MAX_NAMED else ""
        print(
            f"Not a JPEG, PNG or WebP, so left out: {', '.join(names[:_MAX_NAMED])}{more}",
            file=sys.stderr,
        )
