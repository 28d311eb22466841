"""The network's input -> answer: infer, rank. No I/O."""

from __future__ import annotations

from typing import Any

import numpy

from classifier.manifest import Manifest
from classifier.preprocessing import FloatArray


class PictureClassifier:
    """An artifact's network with the labels that came with it."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    @property
    def class_count(self) -> int:
        """Number of labels."""
        return len(self._manifest.labels)

    def classify(self, logits: FloatArray, top_k: int) -> dict[str, Any]:
        """Answer one picture.

        Args:
            logits: of one picture, (classes).
            top_k: number of predictions, 1 to `class_count`.

        Returns:
            `{"predictions": [{"label", "index", "probability"}], "model": {"name", "version"}}`,
            most probable first; the probabilities of all classes sum to 1.

        Raises:
            ArithmeticError: the network answered with numbers that are not finite.
        """
        probabilities = softmax(logits)
        ranking = numpy.argsort(-probabilities, kind="stable")[:top_k]
        return {
            "predictions": [
                {
                    "label": self._manifest.labels[index],
                    "index": int(index),
                    "probability": float(probabilities[index]),
                }
                for index in ranking
            ],
            "model": {"name": self._manifest.name, "version": self._manifest.version},
        }


def softmax(logits: FloatArray) -> numpy.typing.NDArray[numpy.float64]:
    """Return probabilities (classes) that sum to 1.

    Raises:
        ArithmeticError: a logit is not finite.
    """
    if not numpy.isfinite(logits).all():
        raise ArithmeticError("the network answered with numbers that are not finite")
    # 64 bit and shifted by the maximum: no overflow, and the sum is 1 to 15 digits.
    exponentials = numpy.exp(logits.astype(numpy.float64) - logits.max())
    probabilities: numpy.typing.NDArray[numpy.float64] = exponentials / exponentials.sum()
    return probabilities
