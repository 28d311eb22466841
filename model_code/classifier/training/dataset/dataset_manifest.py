"""The dataset manifest: which file was in which split, for a later question about a model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from classifier.training.dataset.scanning import ImageFile
from classifier.training.options import TrainingOptions

DATASET_MANIFEST_FILE: Final = "dataset.jsonl"
_VERSION_LENGTH: Final = 12


def labelled_files(
    files: Mapping[str, Sequence[tuple[Path, int, str]]], labels: Sequence[str]
) -> list[ImageFile]:
    """Return the images of folders that were listed by split.

    Args:
        files: path, class index and sha256 of each image by split; the paths in the result are
            relative to the innermost folder that has them all.
        labels: of the classes.
    """
    root = os.path.commonpath([path.absolute() for found in files.values() for path, _, _ in found])
    return [
        ImageFile(
            Path(os.path.relpath(path.absolute(), root)),
            labels[index],
            split,
            sha256,
        )
        for split, found in files.items()
        for path, index, sha256 in found
    ]


def data_source(options: TrainingOptions) -> dict[str, str]:
    """Return what the artifact's manifest says about where the images are from.

    Only the last part of the path, which has no name of a person's folder in it.
    """
    if options.data is None:
        return {"source": "folders"}
    kind = "folder" if options.data.is_dir() else "zip"
    # A name may be bytes that are no UTF-8.
    name = os.fsencode(options.data.resolve().name).decode("utf-8", "replace")
    return {"source": kind, "name": name}


def write_dataset_manifest(images: Iterable[ImageFile], path: Path) -> str:
    """Write one JSON object a line: `file`, `split`, `label` and `sha256` of each image.

    The names of files may be personal, so it is no part of the artifact.

    Args:
        images: of all splits, each once.
        path: of the manifest.

    Returns:
        The dataset's version: the first digits of the manifest's sha256. The same files in the
        same splits have the same version, on every machine.
    """
    lines = [
        # ASCII with escapes: a file's name may hold bytes that are no UTF-8.
        json.dumps(
            {
                "file": image.path.as_posix(),
                "split": image.split,
                "label": image.label,
                "sha256": image.sha256,
            }
        )
        for image in sorted(images, key=lambda image: image.path.as_posix())
    ]
    content = "".join(f"{line}\n" for line in lines).encode("ascii")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()[:_VERSION_LENGTH]
