"""A folder as the source of a run: its files, each named by the sha256 of its bytes."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tools.batch.images import Image, Source, is_hidden, size_error
from tools.batch.stage import BatchStage
from tools.console import ToolError, step
from tools.counted import counted
from tools.parallel import in_parallel
from tools.terminal import printable


def scan_folder(stage: BatchStage, folder: Path) -> Source:
    """Read every file of a folder and of the folders below.

    Args:
        stage: whose settings limit the size of an image.
        folder: the source.

    Raises:
        ToolError: a folder below cannot be read.
    """
    keys = sorted(_keys(folder))
    hidden = [key for key in keys if is_hidden(key)]
    shown = [key for key in keys if not is_hidden(key)]
    with step(f"Read {counted(len(shown), 'file')}"):
        images = list(in_parallel(lambda key: _image(stage, folder, key), shown, noun="file"))
    return Source(images=images, hidden=hidden)


def _keys(folder: Path) -> Iterator[str]:
    def refuse(fault: OSError) -> None:
        # `os.walk` would leave the folder out.
        place = Path(fault.filename)
        if place == folder or not is_hidden(place.relative_to(folder).as_posix()):
            raise ToolError(
                f"{printable(str(place))} cannot be read ({fault.strerror}): allow it, or move "
                "that folder away."
            ) from fault

    for place, folders, names in os.walk(folder, onerror=refuse):
        # A link to a folder is not followed, but has a line in the results.
        links = (name for name in folders if Path(place, name).is_symlink())
        for name in (*names, *links):
            yield Path(place, name).relative_to(folder).as_posix()


def _image(stage: BatchStage, folder: Path, key: str) -> Image:
    file = folder / key
    try:
        error = size_error(stage, file.stat().st_size)
        if error is not None:
            return Image(key=key, place=file, error=error)
        with file.open("rb") as content:
            name = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as fault:
        message = f"The file cannot be read: {fault.strerror}."
        return Image(key=key, place=file, error={"code": "unreadable_file", "message": message})
    return Image(key=key, place=file, name=name)
