"""What a network predicts for one image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy

from classifier.image.preprocessing import FloatArray
from classifier.training.head.probabilities import softmax

NOT_FINITE: Final = -1


@dataclass(frozen=True)
class Prediction:
    """The most probable class's index, or `NOT_FINITE`, and how far it is ahead.

    Attributes:
        margin: difference of the two highest probabilities; 0 where they are not finite.
    """

    index: int
    margin: float


Network = Callable[[FloatArray], Prediction]


def predict_scores(scores: FloatArray, output: str) -> Prediction:
    """Return the prediction of a network's scores, 1 x classes.

    Args:
        scores: of one image.
        output: what the scores are, one of the manifest's `OUTPUTS`.
    """
    if not numpy.isfinite(scores).all():
        return Prediction(NOT_FINITE, 0.0)
    probabilities = scores if output == "probabilities" else softmax(scores)
    second, first = numpy.sort(probabilities[0])[-2:]
    return Prediction(int(scores.argmax()), float(first - second))
