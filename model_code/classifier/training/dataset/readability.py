"""Find the images of a scan that cannot be decoded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from classifier.errors import RequestError
from classifier.image.decoding import decode_image
from classifier.training.cores import core_count
from classifier.training.dataset.scanning import LeftOutFile, Scan
from classifier.training.progress import Progress

# Enough to find out whether an image is damaged; the decoder of JPEGs is faster so.
_REDUCED_PIXELS: Final = 64


def find_unreadable(scan: Scan) -> list[LeftOutFile]:
    """Decode every image; return those that cannot be decoded, each with the reason."""
    progress = Progress("images decoded", len(scan.images))
    unreadable: list[LeftOutFile] = []
    with ThreadPoolExecutor(core_count()) as decoders:
        paths = [scan.folder / image.path for image in scan.images]
        for place, problem in enumerate(decoders.map(_problem, paths)):
            if problem:
                unreadable.append(LeftOutFile(scan.images[place].path, problem))
            progress.update(place + 1)
    progress.end()
    return unreadable


def _problem(path: Path) -> str:
    try:
        decode_image(path.read_bytes(), reduce_to=_REDUCED_PIXELS)
    except RequestError as error:
        return error.message
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return ""
