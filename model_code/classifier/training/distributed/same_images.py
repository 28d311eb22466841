"""That all workers were given the same images."""

from __future__ import annotations

import hashlib

from classifier.training.dataset.scanning import Scan
from classifier.training.distributed.workers import Workers
from classifier.training.errors import DataError


def check_same_images(scan: Scan, workers: Workers) -> None:
    """Compare the images that each worker found.

    Raises:
        DataError: some have others.
    """
    digest = hashlib.sha256()
    for image in scan.images:
        digest.update(f"{image.split} {image.label} {image.sha256}\n".encode())
    found = workers.exchange((len(scan.images), digest.hexdigest()))
    others = [rank for rank, each in enumerate(found) if each != found[0]]
    if others:
        counts = ", ".join(str(count) for count, _ in found)
        raise DataError(
            f"the workers have different images ({counts} by rank; {others[0]} differs from 0): "
            "each host needs all of them, which a channel with the S3DataDistributionType "
            "FullyReplicated has"
        )
