"""Find held-back images that look nearly like an image to train on, from their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy

from classifier.image.preprocessing import FloatArray

MAX_IMAGES: Final = 20_000
# Cosine of centred features. On photos of clothing, copies with other compression, light or
# direction have 0.94 to 0.98, those that lost 5 % of their edge 0.93; 1 in 1,000 other images has
# a neighbour above 0.9.
MIN_SIMILARITY: Final = 0.9
_HELD_BACK_ROWS: Final = 512
_TRAIN_ROWS: Final = 4096
_TINY: Final = 1e-12


@dataclass(frozen=True)
class NearDuplicate:
    """A held-back image and the most similar image to train on, by their places.

    Attributes:
        similarity: cosine of their centred features, at most 1.
    """

    held_back: int
    train: int
    similarity: float


def find_near_duplicates(train: FloatArray, held_back: FloatArray) -> list[NearDuplicate]:
    """Return the held-back images that nearly equal a training image, the most similar first.

    Computed in blocks: beside the features it takes some 30 MB.

    Args:
        train: features of the images to train on, N x width; at least one.
        held_back: features of the others, M x width.
    """
    mean = train.mean(axis=0)
    found: list[NearDuplicate] = []
    for start in range(0, len(held_back), _HELD_BACK_ROWS):
        rows = _directions(held_back[start : start + _HELD_BACK_ROWS], mean)
        nearest = numpy.zeros(len(rows), dtype=numpy.int64)
        highest = numpy.full(len(rows), -1, dtype=numpy.float32)
        for first in range(0, len(train), _TRAIN_ROWS):
            cosines = rows @ _directions(train[first : first + _TRAIN_ROWS], mean).T
            places = cosines.argmax(axis=1)
            values = cosines[numpy.arange(len(rows)), places]
            is_higher = values > highest
            nearest[is_higher] = first + places[is_higher]
            highest[is_higher] = values[is_higher]
        for place in numpy.flatnonzero(highest >= MIN_SIMILARITY).tolist():
            similarity = min(1.0, float(highest[place]))
            found.append(NearDuplicate(start + place, int(nearest[place]), similarity))
    return sorted(found, key=lambda one: (-one.similarity, one.held_back))


def _directions(features: FloatArray, mean: FloatArray) -> FloatArray:
    centred = features - mean
    lengths = numpy.linalg.norm(centred, axis=1, keepdims=True)
    result: FloatArray = centred / numpy.maximum(lengths, _TINY)
    return result
