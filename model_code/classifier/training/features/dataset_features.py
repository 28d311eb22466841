"""The features of a dataset's images: from the cache, or computed once."""

from __future__ import annotations

import hashlib
import importlib.metadata
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy

from classifier.image.preprocessing import FloatArray
from classifier.training.dataset.scanning import LeftOutFile, Scan
from classifier.training.features.backbone import Backbone
from classifier.training.features.cache import FeatureCache
from classifier.training.features.extraction import Network, Output
from classifier.training.progress import Progress

# Rows of the cache that are written to the disk at a time.
_ROWS_PER_WRITE: Final = 64


def open_cache(backbone: Backbone, folder: Path) -> FeatureCache:
    """Open the cache of a backbone's features.

    Args:
        backbone: the frozen network.
        folder: has a folder of features for each backbone.

    Raises:
        DataError: another process is using it.
    """
    decisive = f"{backbone.manifest.identity} {importlib.metadata.version('openvino')} fp32"
    key = hashlib.sha256(decisive.encode()).hexdigest()[:16]
    return FeatureCache(
        folder / "features" / f"{backbone.manifest.architecture}-{key}", backbone.width
    )


def compute_features(scan: Scan, backbone: Backbone, cache: FeatureCache) -> list[LeftOutFile]:
    """Fill the cache with what is missing; return the images that cannot be decoded.

    Raises:
        NetworkError: the backbone cannot be run on this machine.
    """
    first = {image.sha256: image for image in reversed(scan.images) if image.sha256 not in cache}
    missing = sorted(first.values(), key=lambda image: image.path)
    if not missing:
        return []
    print(f"Features of {len(missing)} images", flush=True)
    progress = Progress("images", len(missing))
    rows: list[tuple[str, FloatArray]] = []
    problems: dict[str, str] = {}

    def write() -> None:
        cache.append([sha256 for sha256, _ in rows], [row for _, row in rows])
        rows.clear()

    def receive(place: int, output: Output) -> None:
        image = missing[place]
        if output.values is None or not numpy.isfinite(output.values).all():
            problems[image.sha256] = output.problem or "its features are not finite"
        else:
            rows.append((image.sha256, output.values))
        if len(rows) == _ROWS_PER_WRITE:
            write()
        progress.update(place + 1)

    settings = backbone.manifest.preprocessing
    try:
        with closing(Network(backbone.features_path, settings, backbone.width)) as network:
            network.run([scan.folder / image.path for image in missing], receive)
    finally:
        write()
        progress.end()
    return [
        LeftOutFile(image.path, problems[image.sha256])
        for image in scan.images
        if image.sha256 in problems
    ]
