"""The argument `data` of tools that read labelled images."""

import zipfile
from pathlib import Path

from tools.make_variables import MakeParser


def add_data(parser: MakeParser) -> None:
    """Add the argument `data`."""
    parser.add_argument(
        "data", help="folder or zip of images, <label>/<image>, with or without train/ and test/"
    )


def checked_data(parser: MakeParser, data: str) -> Path:
    """Return the absolute path of the images; exit with 2 after a message if there are none."""
    if not data.strip():
        parser.error("argument data: expected a folder or zip of images, <label>/<image>")
    if problem := _problem(Path(data)):
        parser.error(f"argument data: {data}{problem}")
    return Path(data).absolute()


def _problem(data: Path) -> str | None:
    """Return what is wrong with the path of the images."""
    try:
        if data.is_dir() or zipfile.is_zipfile(data):
            return None
        return (
            " is no zip; expected one, or a folder, of images, <label>/<image>"
            if data.exists()
            else " does not exist; expected a folder or zip of images, <label>/<image>"
        )
    except (OSError, ValueError) as error:
        return f" cannot be read: {error}"
