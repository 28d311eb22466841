"""Fit a linear head on features: multinomial logistic regression with a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy
import numpy.typing
import scipy.optimize  # type: ignore[import-untyped]  # it ships no types
import scipy.special  # type: ignore[import-untyped]  # it ships no types

from classifier.image.preprocessing import FloatArray
from classifier.training.head.graft import LinearHead

IntArray = numpy.typing.NDArray[numpy.int64]
DoubleArray = numpy.typing.NDArray[numpy.float64]

# From strong to weak, each fit starting where the one before ended.
PENALTIES: Final = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
# Without validation images to choose by: the best on photos of clothing.
DEFAULT_PENALTY: Final = 1e-2
_MAX_ITERATIONS: Final = 200
# The fit ends when an iteration lowers the loss by less than this share of it.
_LOSS_TOLERANCE: Final = 1e-5


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
    mean, scale = train.features.mean(axis=0), _scale(train.features)
    features = (train.features - mean) / scale
    weights = _image_weights(train.classes, class_count, balanced=balanced)
    parameters = numpy.zeros((features.shape[1] + 1, class_count))
    has_valid = len(valid.classes) > 0
    tried: list[FittedHead] = []
    for penalty in PENALTIES if has_valid else (DEFAULT_PENALTY,):
        parameters = _fit(features, train.classes, weights, penalty, parameters)
        slopes = parameters[:-1] / scale
        bias = parameters[-1] - mean @ slopes
        head = LinearHead(slopes.astype(numpy.float32), bias.astype(numpy.float32))
        loss = cross_entropy(head, valid) if has_valid else 0.0
        if tried and loss >= tried[-1].valid_loss:
            # A weaker penalty fits the training images better and others worse.
            break
        tried.append(FittedHead(head, penalty, loss))
    return tried[-1]


def scores(head: LinearHead, features: FloatArray) -> FloatArray:
    """Return the logits, N x classes."""
    result: FloatArray = features @ head.weights + head.bias
    return result


def cross_entropy(head: LinearHead, images: LabelledFeatures) -> float:
    """Return the mean loss of labelled features."""
    logits = scores(head, images.features).astype(numpy.float64)
    own = logits[numpy.arange(len(logits)), images.classes]
    return float((scipy.special.logsumexp(logits, axis=1) - own).mean())


def _scale(features: FloatArray) -> float:
    """Return the standard deviation over all, so that a penalty suits every backbone."""
    return float(numpy.sqrt(features.var(axis=0, dtype=numpy.float64).mean())) or 1.0


def _image_weights(classes: IntArray, class_count: int, *, balanced: bool) -> DoubleArray:
    """Return the weight of each image's loss; they sum to 1."""
    if not balanced:
        return numpy.full(len(classes), 1 / len(classes))
    counts = numpy.bincount(classes, minlength=class_count)
    return 1 / (counts[classes] * numpy.count_nonzero(counts))


def _fit(
    features: FloatArray,
    classes: IntArray,
    weights: DoubleArray,
    penalty: float,
    start: DoubleArray,
) -> DoubleArray:
    """Minimize the weighted loss; the parameters are width + 1 rows, the last one the bias."""
    rows, shape = numpy.arange(len(classes)), start.shape

    def loss_and_gradient(flat: DoubleArray) -> tuple[float, DoubleArray]:
        parameters = flat.reshape(shape)
        slopes, bias = parameters[:-1].astype(numpy.float32), parameters[-1]
        logits = (features @ slopes).astype(numpy.float64) + bias
        logarithms = logits - scipy.special.logsumexp(logits, axis=1, keepdims=True)
        loss = -float(weights @ logarithms[rows, classes])
        errors = numpy.exp(logarithms)
        errors[rows, classes] -= 1
        errors *= weights[:, numpy.newaxis]
        gradient = numpy.empty(shape)
        gradient[:-1] = features.T @ errors.astype(numpy.float32)
        gradient[:-1] += 2 * penalty * parameters[:-1]
        gradient[-1] = errors.sum(axis=0)
        loss += penalty * float((parameters[:-1] ** 2).sum())
        return loss, gradient.ravel()

    found = scipy.optimize.minimize(
        loss_and_gradient,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MAX_ITERATIONS, "ftol": _LOSS_TOLERANCE},
    )
    result: DoubleArray = found.x.reshape(shape)
    return result
