"""Probabilities of logits, in numpy alone."""

from __future__ import annotations

from typing import Any

import numpy
import numpy.typing

DoubleArray = numpy.typing.NDArray[numpy.float64]


def log_softmax(logits: numpy.typing.NDArray[Any]) -> DoubleArray:
    """Return the logarithms of the probabilities: N x classes, as the logits."""
    shifted = logits.astype(numpy.float64)
    # The largest becomes 0, so that no exponential overflows.
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def softmax(logits: numpy.typing.NDArray[Any]) -> DoubleArray:
    """Return the probabilities: N x classes, as the logits."""
    return numpy.exp(log_softmax(logits))


def cross_entropies(
    logits: numpy.typing.NDArray[Any], classes: numpy.typing.NDArray[numpy.int64]
) -> DoubleArray:
    """Return the loss of each image (N): the negative logarithm of its own class's probability."""
    return -log_softmax(logits)[numpy.arange(len(classes)), classes]
