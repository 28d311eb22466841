"""Judge a classifier by images that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy

from classifier.image.preprocessing import FloatArray
from classifier.training.head.fitting import IntArray
from classifier.training.head.probabilities import DoubleArray, cross_entropies, softmax

Z_OF_95_PERCENT: Final = 1.959964
_TOP: Final = 5
_INTERVALS: Final = 10  # of probabilities


@dataclass(frozen=True)
class Judgement:
    """What a network returned for labelled images.

    Attributes:
        logits: N x classes.
        classes: N indices of the labels that the images have.
    """

    logits: FloatArray
    classes: IntArray

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.classes)

    @property
    def predicted(self) -> IntArray:
        """The most probable class of each image."""
        result: IntArray = self.logits.argmax(axis=1)
        return result

    @property
    def right_count(self) -> int:
        """Number of images whose most probable class is their own."""
        return int((self.predicted == self.classes).sum())

    @property
    def accuracy(self) -> float:
        """Share of the images whose most probable class is their own."""
        return self.right_count / self.count

    @property
    def top_5_accuracy(self) -> float:
        """Share of the images whose own class is among the five most probable."""
        ranking = numpy.argsort(-self.logits, axis=1, kind="stable")[:, :_TOP]
        return float((ranking == self.classes[:, numpy.newaxis]).any(axis=1).mean())

    @property
    def probabilities(self) -> DoubleArray:
        """The softmax of the logits, N x classes."""
        return softmax(self.logits)

    @property
    def confusion_matrix(self) -> IntArray:
        """Number of images by their own class (rows) and the predicted one (columns)."""
        class_count = self.logits.shape[1]
        counts = numpy.zeros((class_count, class_count), dtype=numpy.int64)
        numpy.add.at(counts, (self.classes, self.predicted), 1)
        return counts

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        return float(cross_entropies(self.logits, self.classes).mean())

    def metrics(self, split: str) -> dict[str, float]:
        """Return the figures for the manifest, named after the split."""
        values = {"loss": self.loss, "accuracy": self.accuracy}
        if self.logits.shape[1] > _TOP:
            values["top_5_accuracy"] = self.top_5_accuracy
        rounded = {f"{split}_{name}": round(value, 6) for name, value in values.items()}
        return {**rounded, f"{split}_images": self.count}


def accuracy_interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy (Wilson, 1927)."""
    share, z_squared = right / count, Z_OF_95_PERCENT**2
    centre = (share + z_squared / (2 * count)) / (1 + z_squared / count)
    spread = math.sqrt(share * (1 - share) / count + z_squared / (4 * count**2))
    half = Z_OF_95_PERCENT * spread / (1 + z_squared / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def accuracy_by_class(judgement: Judgement, labels: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return how many images of each label were classified right, and how many there are."""
    is_right = judgement.predicted == judgement.classes
    return {
        label: (int(is_right[own].sum()), int(own.sum()))
        for index, label in enumerate(labels)
        if (own := judgement.classes == index).any()
    }


@dataclass(frozen=True)
class CalibrationBin:
    """Images whose most probable class has about the same probability.

    Attributes:
        count: number of images.
        probability: mean probability of the most probable class.
        accuracy: share of the images whose most probable class is their own.
    """

    count: int
    probability: float
    accuracy: float


def calibration_bins(judgement: Judgement) -> list[CalibrationBin]:
    """Return the images in ten equal intervals of probability, without the empty ones."""
    highest = judgement.probabilities.max(axis=1)
    is_right = judgement.predicted == judgement.classes
    interval = numpy.minimum((highest * _INTERVALS).astype(numpy.int64), _INTERVALS - 1)
    return [
        CalibrationBin(int(own.sum()), float(highest[own].mean()), float(is_right[own].mean()))
        for index in range(_INTERVALS)
        if (own := interval == index).any()
    ]


def calibration_error(judgement: Judgement) -> float:
    """Return the expected calibration error, in ten equal intervals of probability.

    It is the mean difference of the most probable class's probability and the share of the images
    with about that probability that are right, weighted by their number (Guo et al., 2017).
    """
    gaps = [
        each.count * abs(each.probability - each.accuracy) for each in calibration_bins(judgement)
    ]
    return sum(gaps) / judgement.count
