"""Share the images of a network's run among several workers, in whole batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

from classifier.training.distributed.workers import Workers
from classifier.training.features.extraction import Output
from classifier.training.features.runtime import ImageNetwork, batch_size

# Of each worker, before the first one gets their outputs and can keep them; whole batches.
_IMAGES_A_ROUND: Final = 256


def share_outputs(
    network: ImageNetwork,
    paths: Sequence[Path],
    receive: Callable[[int, Output], None],
    workers: Workers,
) -> None:
    """Run a network over image files; the first worker receives each output, in order.

    An image is at the same place of a batch with the same other images, however many workers there
    are, so that its output has the same bits.

    Args:
        network: the same one for each worker.
        paths: of all images, in the same order for each worker.
        receive: is called in the first worker, with the place and the output of each image.
        workers: each calls this function.
    """
    if workers.count == 1:
        network.run(paths, receive)
        return
    size = batch_size()
    for begin in range(0, len(paths), _IMAGES_A_ROUND * workers.count):
        of_round = paths[begin : begin + _IMAGES_A_ROUND * workers.count]
        share = math.ceil(len(of_round) / workers.count / size) * size
        own: list[Output] = []
        network.run(
            of_round[workers.rank * share : (workers.rank + 1) * share],
            # Without the pixels, which nobody needs here.
            lambda _, output, own=own: own.append(replace(output, crop=None)),  # type: ignore[misc]
        )
        for place, output in enumerate(chain.from_iterable(workers.gather(own)), start=begin):
            receive(place, output)
