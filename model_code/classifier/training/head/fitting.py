"""Fit a linear head on features: multinomial logistic regression with a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy
import numpy.typing

from classifier.image.preprocessing import FloatArray
from classifier.training.head.graft import LinearHead
from classifier.training.head.minimizing import minimize
from classifier.training.head.probabilities import DoubleArray, cross_entropies, log_softmax

IntArray = numpy.typing.NDArray[numpy.int64]

# From strong to weak, each fit starting where the one before ended.
PENALTIES: Final = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
# Without validation images to choose by: the best on photos of clothing.
DEFAULT_PENALTY: Final = 1e-2


@dataclass(frozen=True)
class LabelledFeatures:
    """Features and classes of images.

    Attributes:
        features: N x width.
        classes: N indices of labels.
    """

    features: FloatArray
    classes: IntArray


@dataclass(frozen=True)
class FittedHead:
    """A head, and the penalty that it was fitted with.

    Attributes:
        penalty: weight of the sum of the squared weights, for features of mean square 1.
        valid_loss: mean cross-entropy on the validation images; 0 without any.
    """

    head: LinearHead
    penalty: float
    valid_loss: float


def fit_head(
    train: LabelledFeatures, valid: LabelledFeatures, *, class_count: int, balanced: bool
) -> FittedHead:
    """Fit the head by L-BFGS, with the penalty that has the lowest loss on `valid`.

    Args:
        train: to fit on; at least one image a class.
        valid: to choose the penalty by; may be empty.
        class_count: number of labels.
        balanced: whether each class counts the same, instead of each image.
    """
    fit = _Fit(train, class_count, balanced=balanced)
    if len(valid.classes) == 0:
        return FittedHead(fit.head(DEFAULT_PENALTY), DEFAULT_PENALTY, 0.0)
    tried: list[FittedHead] = []
    for penalty in PENALTIES:
        head = fit.head(penalty)
        loss = cross_entropy(head, valid)
        if tried and loss >= tried[-1].valid_loss:
            # A weaker penalty fits the training images better and others worse.
            break
        tried.append(FittedHead(head, penalty, loss))
    return tried[-1]


def fit_with(train: LabelledFeatures, *, class_count: int, penalty: float) -> LinearHead:
    """Fit the head with a penalty that was chosen before; each image counts the same."""
    return _Fit(train, class_count, balanced=False).head(penalty)


def scores(head: LinearHead, features: FloatArray) -> FloatArray:
    """Return the logits, N x classes."""
    result: FloatArray = features @ head.weights + head.bias
    return result


def cross_entropy(head: LinearHead, images: LabelledFeatures) -> float:
    """Return the mean loss of labelled features."""
    return float(cross_entropies(scores(head, images.features), images.classes).mean())


class _Fit:
    """Fits to the same images with several penalties, each starting where the last one ended."""

    def __init__(self, images: LabelledFeatures, class_count: int, *, balanced: bool) -> None:
        self._mean = images.features.mean(axis=0)
        # One number for all features, so that a penalty suits every backbone.
        self._scale = float(numpy.sqrt(images.features.var(axis=0).mean())) or 1.0
        # Centred: from 0, the features' common mean would take most of the iterations.
        self._features = (images.features - self._mean) / self._scale
        self._classes = images.classes
        self._weights = _image_weights(images.classes, class_count, balanced=balanced)
        self._parameters = numpy.zeros((self._features.shape[1] + 1, class_count))

    def head(self, penalty: float) -> LinearHead:
        """Return the head that has the lowest loss with a penalty."""
        found = minimize(
            lambda flat: self._loss_and_gradient(flat, penalty), self._parameters.ravel()
        )
        self._parameters = found.reshape(self._parameters.shape)
        slopes = self._parameters[:-1] / self._scale
        bias = self._parameters[-1] - self._mean @ slopes
        return LinearHead(slopes.astype(numpy.float32), bias.astype(numpy.float32))

    def _loss_and_gradient(self, flat: DoubleArray, penalty: float) -> tuple[float, DoubleArray]:
        """Return the penalized loss, and its gradient by the parameters: width + 1 rows."""
        parameters = flat.reshape(self._parameters.shape)
        logits = (self._features @ parameters[:-1].astype(numpy.float32)).astype(numpy.float64)
        logits += parameters[-1]
        logarithms = log_softmax(logits)
        rows = numpy.arange(len(self._classes))
        loss = -float(self._weights @ logarithms[rows, self._classes])
        errors = numpy.exp(logarithms)
        errors[rows, self._classes] -= 1
        errors *= self._weights[:, numpy.newaxis]
        gradient = numpy.empty(parameters.shape)
        gradient[:-1] = self._features.T @ errors.astype(numpy.float32)
        gradient[:-1] += 2 * penalty * parameters[:-1]
        gradient[-1] = errors.sum(axis=0)
        return loss + penalty * float((parameters[:-1] ** 2).sum()), gradient.ravel()


def _image_weights(classes: IntArray, class_count: int, *, balanced: bool) -> DoubleArray:
    """Return the weight of each image's loss; they sum to 1."""
    if not balanced:
        return numpy.full(len(classes), 1 / len(classes))
    counts = numpy.bincount(classes, minlength=class_count)
    return 1 / (counts[classes] * numpy.count_nonzero(counts))
