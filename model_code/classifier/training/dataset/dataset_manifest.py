"""The dataset manifest: which file was in which split, for a later question about a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from classifier.training.dataset.scanning import ImageFile

DATASET_MANIFEST_FILE: Final = "dataset.jsonl"
_VERSION_LENGTH: Final = 12


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
