"""The baseline of a model: what it returns for its test images, as the server measures it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import numpy

from classifier.artifact.baseline import Baseline, Distribution
from classifier.artifact.manifest import Manifest, Preprocessing
from classifier.errors import RequestError
from classifier.image.appearance import Appearance, measure_appearance
from classifier.image.decoding import decode_image
from classifier.image.preprocessing import FloatArray, crop_image
from classifier.serving.classification import Postprocessor, Probabilities
from classifier.training.cores import core_count
from classifier.training.errors import DataError, NetworkError

_DIGITS: Final = 6


def measure_baseline(manifest: Manifest, outputs: FloatArray, paths: Sequence[Path]) -> Baseline:
    """Return the baseline of a model.

    Args:
        manifest: of the model.
        outputs: of the network for each test image, N x classes; at least one.
        paths: of these images, N.

    Raises:
        DataError: an image cannot be read.
        NetworkError: an output is not what the manifest says, or not finite.
    """
    # The server's own code, so that a response can be compared with the baseline.
    postprocessor = Postprocessor(manifest, version="")
    try:
        probabilities = numpy.array([postprocessor.probabilities(one) for one in outputs])
        entropies = [postprocessor.entropy(one) for one in outputs]
    except ArithmeticError as error:
        raise NetworkError(f"the network cannot be judged by its test images: {error}") from error
    # Pillow lets other threads run while it decodes and resizes.
    with ThreadPoolExecutor(core_count()) as threads:
        appearances = list(threads.map(partial(_appearance, manifest.preprocessing), paths))
    counts = numpy.bincount(probabilities.argmax(axis=1), minlength=len(manifest.labels))
    return Baseline(
        images=len(outputs),
        top_probability=_distribution(probabilities.max(axis=1)),
        entropy=_distribution(entropies),
        brightness=_distribution([one.brightness for one in appearances]),
        sharpness=_distribution([one.sharpness for one in appearances]),
        class_shares=tuple(round(count / len(outputs), _DIGITS) for count in counts.tolist()),
    )


def _appearance(settings: Preprocessing, path: Path) -> Appearance:
    try:
        return measure_appearance(crop_image(decode_image(path.read_bytes()), settings))
    except RequestError as error:
        raise DataError(f"{path} was changed while it was read: {error.message}") from error


def _distribution(values: Sequence[float] | Probabilities) -> Distribution:
    return Distribution(
        mean=round(float(numpy.mean(values)), _DIGITS), std=round(float(numpy.std(values)), _DIGITS)
    )
