"""Find images whose label is probably wrong."""

from __future__ import annotations

from typing import Final

import numpy

from classifier.image.preprocessing import FloatArray
from classifier.training.head.fitting import IntArray, LabelledFeatures, fit_with, scores
from classifier.training.head.probabilities import softmax

FOLDS: Final = 5


def out_of_fold_probabilities(
    images: LabelledFeatures, *, class_count: int, penalty: float
) -> FloatArray:
    """Return the probabilities (N x classes) by heads that were fitted without the image.

    The images are divided into five parts that each have every class in its share; the images of
    a part are classified by a head that was fitted on the others. An image with a low probability
    for its own label has probably another one (Northcutt et al., 2021). An image that is the only
    one of its class among them has a probability of 1: nothing else is known of its class.

    Args:
        images: in an order that the result depends on.
        class_count: number of labels.
        penalty: of the head on all images.
    """
    counts = numpy.bincount(images.classes, minlength=class_count)
    is_single = counts[images.classes] == 1
    fold_of = _folds(images.classes)
    result = numpy.eye(class_count, dtype=numpy.float32)[images.classes]
    for fold in range(FOLDS):
        own = (fold_of == fold) & ~is_single
        if not own.any():
            continue
        others = LabelledFeatures(images.features[fold_of != fold], images.classes[fold_of != fold])
        head = fit_with(others, class_count=class_count, penalty=penalty)
        result[own] = softmax(scores(head, images.features[own]))
    return result


def by_suspicion(probabilities: FloatArray, classes: IntArray) -> IntArray:
    """Return the places of the images, the most suspicious first."""
    own = probabilities[numpy.arange(len(classes)), classes]
    result: IntArray = numpy.argsort(own, kind="stable")
    return result


def _folds(classes: IntArray) -> IntArray:
    """Deal the images of each class to the folds in turn."""
    folds = numpy.zeros(len(classes), dtype=numpy.int64)
    for label in numpy.unique(classes):
        places = numpy.flatnonzero(classes == label)
        folds[places] = numpy.arange(len(places)) % FOLDS
    return folds
