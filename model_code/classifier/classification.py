"""The network's output -> probabilities, and the most probable labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy
import numpy.typing

from classifier.appearance import Appearance
from classifier.manifest import Manifest
from classifier.preprocessing import FloatArray

Probabilities = numpy.typing.NDArray[numpy.float64]


class Prediction(TypedDict):
    """One class of an answer."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True)
class PictureResult:
    """What was computed of a picture.

    Attributes:
        logits: of the network (classes).
        appearance: of the crop that the network saw; `None` where nobody asked.
    """

    logits: FloatArray
    appearance: Appearance | None = None


class Labeller:
    """Says what logits mean, with the labels that came with the network.

    Attributes:
        class_count: number of labels.
        model: `{"name", "version"}`, as in every answer.
    """

    def __init__(self, manifest: Manifest, model_version: str) -> None:
        self._labels = manifest.labels
        self.class_count = len(manifest.labels)
        self.model = {"name": manifest.name, "version": model_version}

    def rank(self, logits: FloatArray, top_k: int) -> list[Prediction]:
        """Return the `top_k` most probable classes, the most probable first.

        Of equal ones the first label comes first. The probabilities of all classes sum to 1.

        Args:
            logits: of one picture (classes).
            top_k: 1 to `class_count`.

        Raises:
            ArithmeticError: a logit is not finite.
        """
        probabilities = softmax(logits)
        # Sorting all of a thousand costs more than finding those that can be among the first.
        least = numpy.partition(probabilities, -top_k)[-top_k]
        candidates = numpy.flatnonzero(probabilities >= least)
        ranking = candidates[numpy.argsort(-probabilities[candidates], kind="stable")[:top_k]]
        return [
            {"label": self._labels[index], "index": index, "probability": probability}
            for index, probability in zip(
                ranking.tolist(), probabilities[ranking].tolist(), strict=True
            )
        ]


def softmax(logits: FloatArray) -> Probabilities:
    """Return probabilities (classes) that sum to 1.

    Raises:
        ArithmeticError: a logit is not finite.
    """
    if not numpy.isfinite(logits).all():
        raise ArithmeticError("the network answered with numbers that are not finite")
    # 64 bit and shifted by the maximum: no overflow, and the sum is 1 to 15 digits.
    exponentials = numpy.exp(logits.astype(numpy.float64) - logits.max())
    probabilities: Probabilities = exponentials / exponentials.sum()
    return probabilities


def entropy(logits: FloatArray) -> float:
    """Return the entropy of the probabilities in nats: 0 (certain) to ln(classes) (no idea).

    Args:
        logits: of one picture (classes), all finite.
    """
    # ln(sum(exp)) - mean, from the logits: no logarithm of a probability that is 0.
    shifted = logits.astype(numpy.float64) - logits.max()
    exponentials = numpy.exp(shifted)
    total = exponentials.sum()
    return float(numpy.log(total) - exponentials @ shifted / total)
