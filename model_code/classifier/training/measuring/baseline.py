"""The baseline of a model: what it returns for its test images, as the server measures it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy

from classifier.artifact.baseline import Baseline, Distribution
from classifier.artifact.manifest import Manifest
from classifier.image.appearance import Appearance
from classifier.image.preprocessing import FloatArray
from classifier.serving.classification import Postprocessor, Probabilities
from classifier.training.errors import NetworkError

_DIGITS: Final = 6


def measure_baseline(
    manifest: Manifest, outputs: FloatArray, appearances: Sequence[Appearance]
) -> Baseline:
    """Return the baseline of a model.

    Args:
        manifest: of the model.
        outputs: of the network for each test image, N x classes; at least one.
        appearances: of what the network was given of these images, N.

    Raises:
        NetworkError: an output is not what the manifest says, or not finite.
    """
    # The server's own code, so that a response can be compared with the baseline.
    postprocessor = Postprocessor(manifest, version="")
    try:
        probabilities = numpy.array([postprocessor.probabilities(one) for one in outputs])
        entropies = [postprocessor.entropy(one) for one in outputs]
    except ArithmeticError as error:
        raise NetworkError(f"the network cannot be judged by its test images: {error}") from error
    counts = numpy.bincount(probabilities.argmax(axis=1), minlength=len(manifest.labels))
    return Baseline(
        images=len(outputs),
        top_probability=_distribution(probabilities.max(axis=1)),
        entropy=_distribution(entropies),
        brightness=_distribution([one.brightness for one in appearances]),
        sharpness=_distribution([one.sharpness for one in appearances]),
        class_shares=tuple(round(count / len(outputs), _DIGITS) for count in counts.tolist()),
    )


def _distribution(values: Sequence[float] | Probabilities) -> Distribution:
    return Distribution(
        mean=round(float(numpy.mean(values)), _DIGITS), std=round(float(numpy.std(values)), _DIGITS)
    )
