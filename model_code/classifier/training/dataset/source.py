"""The images that a run was given: a folder, a zip, or a folder for each split."""

from __future__ import annotations

import os
from typing import Any

from classifier.training.dataset.archives import unpack_zip
from classifier.training.dataset.scanning import Scan, scan_folder, scan_splits
from classifier.training.dataset.splitting import Dataset
from classifier.training.options import TrainingOptions


def scan_images(options: TrainingOptions) -> Scan:
    """Find the images of a run.

    Raises:
        DataError: no such folder or zip, or no images of two classes in it.
    """
    data = options.data
    given = {split: path for split, path in options.folders.items() if path}
    if data is None:
        return scan_splits(given)
    if any(path != data / split for split, path in given.items()):
        # The other splits are those of --data that are there.
        present = {s: path for s, path in given.items() if path != data / s or path.is_dir()}
        return scan_splits(present)
    return scan_folder(data if data.is_dir() else unpack_zip(data, options.cache_dir / "datasets"))


def describe_data(options: TrainingOptions, dataset: Dataset, version: str) -> dict[str, Any]:
    """Return what the artifact's manifest says about the images.

    Args:
        options: of the run.
        dataset: its images.
        version: of the dataset.
    """
    demo = {"demo": True} if dataset.is_demo else {}
    return {**_source(options), "version": version, "images": dataset.counts, **demo}


def _source(options: TrainingOptions) -> dict[str, str]:
    if options.data is None:
        return {"source": "folders"}
    kind = "folder" if options.data.is_dir() else "zip"
    # Only the last part of the path, which has no name of a person's folder in it. A name may be
    # bytes that are no UTF-8.
    name = os.fsencode(options.data.resolve().name).decode("utf-8", "replace")
    return {"source": kind, "name": name}
