"""Choose held-back images as the samples of an artifact, and write them without metadata."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy
import numpy.typing
from PIL import Image

from classifier.artifact.samples import SAMPLE_FOLDER, sample_name
from classifier.errors import RequestError
from classifier.image.decoding import decode_image
from classifier.image.preprocessing import FloatArray
from classifier.serving.classification import Probabilities, softmax

MAX_SIDE_PIXELS: Final = 512
_JPEG_QUALITY: Final = 85
IntArray = numpy.typing.NDArray[numpy.int64]


def choose_samples(probabilities: Probabilities, classes: IntArray, count: int) -> list[int]:
    """Return the places of up to `count` images: right ones, of as many classes as possible.

    The images of a class that the model is most certain of come first. Where there are more
    classes than samples, the classes are taken at equal distances.

    Args:
        probabilities: of the test images, N x classes.
        classes: N indices of their labels.
        count: number of samples.
    """
    predicted, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rounds = defaultdict[tuple[bool, int], list[int]](list)
    for is_wrong in (False, True):
        for index in range(probabilities.shape[1]):
            own = numpy.flatnonzero((classes == index) & ((predicted != classes) == is_wrong))
            best_first = own[numpy.argsort(-certainty[own], kind="stable")]
            for rank, place in enumerate(best_first[:count].tolist()):
                rounds[is_wrong, rank].append(place)
    chosen: list[int] = []
    # All right images before the first wrong one.
    for key in sorted(rounds):
        places, left = rounds[key], count - len(chosen)
        if len(places) > left:
            places = [places[number * len(places) // left] for number in range(left)]
        chosen += places
    return chosen


def write_samples(
    logits: FloatArray,
    classes: IntArray,
    paths: Sequence[Path],
    labels: Sequence[str],
    count: int,
    directory: Path,
) -> None:
    """Write the samples of an artifact in place of those that it has, and say how many there are.

    Each is an upright JPEG of at most 512 pixels a side with nothing but its pixels: no place, no
    camera, no thumbnail.

    Args:
        logits: of the network for each test image, N x classes.
        classes: N indices of their labels.
        paths: of the images, N.
        labels: of the classes.
        count: number of samples to write, if there are as many images.
        directory: of the artifact.
    """
    shutil.rmtree(directory / SAMPLE_FOLDER, ignore_errors=True)
    written = 0
    probabilities = numpy.array([softmax(row) for row in logits])
    for place in choose_samples(probabilities, classes, count):
        try:
            image = decode_image(paths[place].read_bytes(), reduce_to=MAX_SIDE_PIXELS)
        except (RequestError, OSError):
            continue  # it was changed since it was judged
        image.thumbnail((MAX_SIDE_PIXELS, MAX_SIDE_PIXELS), Image.Resampling.LANCZOS)
        written += 1
        index = int(classes[place])
        target = directory / sample_name(written, labels[index], index)
        target.parent.mkdir(exist_ok=True)
        image.save(target, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    if written:
        print(f"Test images in the artifact as samples: {written} (--samples 0 leaves them out)")
