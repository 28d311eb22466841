"""Convert the network's output to scores and labels of the classes."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy
import numpy.typing

from classifier.artifact.manifest import Manifest
from classifier.image.appearance import Appearance
from classifier.image.preprocessing import FloatArray

Probabilities = numpy.typing.NDArray[numpy.float64]
# `label`, `index`, and `probability` or `logit`.
Prediction = dict[str, str | int | float]

# Allows for the rounding of 21,000 classes in 32 bit and of an int8 network's softmax.
_SUM_TOLERANCE: Final = 1e-2


class ImageResult(NamedTuple):
    """The result of one image.

    Attributes:
        output: output of the network (classes): logits or probabilities, as the manifest says.
        appearance: appearance of the crop; `None` unless measurements were requested.
    """

    output: FloatArray
    appearance: Appearance | None = None


class Postprocessor:
    """Turns a network's output into predictions, with the labels of its manifest.

    Attributes:
        class_count: number of labels.
        gives_logits: whether the output is logits; else it is probabilities.
        model: `{"name", "version"}`, included in every response.
    """

    def __init__(self, manifest: Manifest, version: str) -> None:
        """Take the labels of `manifest`, and the version that every response names."""
        self._labels = manifest.labels
        self.class_count = len(manifest.labels)
        self.gives_logits = manifest.output == "logits"
        self.model = {"name": manifest.name, "version": version}

    def probabilities(self, output: FloatArray) -> Probabilities:
        """Return the probabilities (classes), which sum to 1; a softmax is applied only to logits.

        Raises:
            ArithmeticError: the output is not what the manifest says, or not finite.
        """
        return softmax(output) if self.gives_logits else checked_probabilities(output)

    def predictions(
        self, output: FloatArray, *, top_k: int, in_class_order: bool, logits: bool
    ) -> list[Prediction]:
        """Return classes with their scores.

        Args:
            output: output of one image (classes).
            top_k: number of classes, 1 to `class_count`, from the highest score down; of equal
                scores the earlier label comes first.
            in_class_order: return all classes, in the order of the labels; `top_k` is then ignored.
            logits: return each class's `logit` instead of its `probability`; only if the network
                `gives_logits`.

        Raises:
            ArithmeticError: as `probabilities`.
        """
        probabilities = self.probabilities(output)
        chosen = numpy.arange(self.class_count) if in_class_order else _best(output, top_k)
        name, scores = ("logit", output) if logits else ("probability", probabilities)
        return [
            {"label": self._labels[index], "index": index, name: score}
            for index, score in zip(chosen.tolist(), scores[chosen].tolist(), strict=True)
        ]

    def entropy(self, output: FloatArray) -> float:
        """Return the entropy of the probabilities in nats: 0 (certain) to ln(classes) (uniform).

        Args:
            output: output of one image (classes), valid for `probabilities`.
        """
        if self.gives_logits:
            return entropy(output)
        present = output[output > 0].astype(numpy.float64)
        return max(0.0, -float(present @ numpy.log(present)))


def _best(output: FloatArray, count: int) -> numpy.typing.NDArray[numpy.intp]:
    """Return the indices of the highest values, highest first."""
    # Partitioning first is cheaper than sorting a thousand values.
    partitioned = output.copy()
    partitioned.partition(-count)
    (candidates,) = (output >= partitioned[-count]).nonzero()
    best: numpy.typing.NDArray[numpy.intp] = candidates[
        (-output[candidates]).argsort(kind="stable")[:count]
    ]
    return best


def softmax(logits: FloatArray) -> Probabilities:
    """Return probabilities (classes) that sum to 1.

    Raises:
        ArithmeticError: a logit is not finite.
    """
    _check_finite(logits)
    # 64 bit and shifted by the maximum: no overflow, and the sum is 1 to 15 digits.
    values = logits.astype(numpy.float64)
    values -= values.max()
    numpy.exp(values, out=values)
    values /= values.sum()
    return values


def checked_probabilities(output: FloatArray) -> Probabilities:
    """Return a network's own probabilities (classes) in 64 bit, otherwise as they are.

    Raises:
        ArithmeticError: one is below 0 or not finite, or their sum is not about 1.
    """
    _check_finite(output)
    probabilities = output.astype(numpy.float64)
    total = probabilities.sum()
    if probabilities.min() < 0 or abs(total - 1) > _SUM_TOLERANCE:
        raise ArithmeticError(
            "the network's output is no probabilities, as its manifest says: its smallest value is "
            f"{probabilities.min():.6g} and its sum {total:.6g}"
        )
    return probabilities


def entropy(logits: FloatArray) -> float:
    """Return the entropy of the logits' softmax in nats.

    Args:
        logits: logits of one image (classes), all finite.
    """
    # ln(sum(exp)) - mean, from the logits: no logarithm of a probability that is 0.
    shifted = logits.astype(numpy.float64) - logits.max()
    exponentials = numpy.exp(shifted)
    total = exponentials.sum()
    return float(numpy.log(total) - exponentials @ shifted / total)


def _check_finite(output: FloatArray) -> None:
    if not numpy.isfinite(output).all():
        raise ArithmeticError("the network's output is not finite")
