"""The features of a dataset's images: from the cache, or computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy

from classifier.image.preprocessing import FloatArray
from classifier.training.dataset.scanning import ImageFile, LeftOutFile, Scan
from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.features.backbone import Backbone
from classifier.training.features.cache import FeatureCache
from classifier.training.features.extraction import Output
from classifier.training.features.runtime import batch_size, open_backbone, runtime
from classifier.training.features.sharing import share_outputs
from classifier.training.progress import Progress

# Rows of the cache that are written to the disk at a time.
_ROWS_PER_WRITE: Final = 64


def open_cache(backbone: Backbone, folder: Path, precision: str) -> FeatureCache:
    """Open the cache of a backbone's features.

    Args:
        backbone: the frozen network.
        precision: `fp32` or `bf16`.
        folder: has a folder of features for each backbone.

    Raises:
        DataError: another process is using it.
    """
    decisive = f"{backbone.manifest.identity} {runtime()} {precision}"
    key = hashlib.sha256(decisive.encode()).hexdigest()[:16]
    name = backbone.manifest.architecture.replace("/", "-")
    return FeatureCache(folder / "features" / f"{name}-{key}", backbone.width)


def compute_features(
    scan: Scan,
    backbone: Backbone,
    cache: FeatureCache,
    precision: str,
    workers: Workers = ALONE,
) -> list[LeftOutFile]:
    """Fill the cache with what is missing; return the images that cannot be decoded.

    Args:
        scan: the images.
        backbone: the frozen network.
        cache: of that backbone and precision.
        precision: `fp32` or `bf16`.
        workers: this one, the first, keeps the cache; the others call `help_with_features`.

    Raises:
        NetworkError: the backbone cannot be run on this machine.
    """
    missing = _to_compute(scan, cache)
    place_by_path = {image.path: place for place, image in enumerate(scan.images)}
    workers.broadcast([place_by_path[image.path] for image in missing])
    if not missing:
        return []
    plural = "" if len(missing) == 1 else "s"
    print(f"Features of {len(missing)} image{plural}", flush=True)
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
        elif image.sha256 not in cache:
            rows.append((image.sha256, output.values))
        if len(rows) == _ROWS_PER_WRITE:
            write()
        progress.update(place + 1)

    try:
        with closing(open_backbone(backbone, precision)) as network:
            share_outputs(network, _paths(scan, missing), receive, workers)
    finally:
        write()
        progress.end()
    return [
        LeftOutFile(image.path, problems[image.sha256])
        for image in scan.images
        if image.sha256 in problems
    ]


def help_with_features(scan: Scan, backbone: Backbone, precision: str, workers: Workers) -> None:
    """Compute this worker's share of what is missing in the first one's cache.

    Args:
        scan: the same images as the first one's.
        backbone: the same as well.
        precision: `fp32` or `bf16`.
        workers: the first one calls `compute_features`.

    Raises:
        NetworkError: the backbone cannot be run on this machine.
    """
    missing = [scan.images[place] for place in workers.broadcast(list[int]())]
    if missing:
        with closing(open_backbone(backbone, precision)) as network:
            share_outputs(network, _paths(scan, missing), lambda *_: None, workers)


def _paths(scan: Scan, images: Sequence[ImageFile]) -> list[Path]:
    return [scan.folder / image.path for image in images]


def _to_compute(scan: Scan, cache: FeatureCache) -> list[ImageFile]:
    """Return the images of the batches that lack features, one of each content.

    All images of such a batch, so that each is at the same place as in a run that was not
    interrupted: a network may compute each place in another order.
    """
    first = {image.sha256: image for image in reversed(scan.images)}
    images = sorted(first.values(), key=lambda image: image.path)
    size = batch_size()
    batches = [images[begin : begin + size] for begin in range(0, len(images), size)]
    return [
        image
        for batch in batches
        if any(image.sha256 not in cache for image in batch)
        for image in batch
    ]
