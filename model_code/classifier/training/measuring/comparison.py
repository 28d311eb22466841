"""Predictions of int8, fp16, bf16 and fast decoding, beside those of fp32 on exact images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import openvino  # type: ignore[import-untyped]  # it ships no types
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.image.preprocessing import FloatArray
from classifier.training.dataset.selection import LabelledImage
from classifier.training.dataset.transforms import evaluation_transform, read_image
from classifier.training.measuring.prediction import Network, Prediction, predict_scores
from classifier.training.progress import Progress


@dataclass(frozen=True)
class Predictions:
    """The predictions for one image, each the index of a label or `NOT_FINITE`.

    Attributes:
        label: the correct one, if it is known.
        fp32: by the fp32 network, of the image decoded exactly.
        fp32_margin: of that prediction.
        fast: by the fp32 network, of the image decoded fast.
        reduced: whether fast decoding made the image smaller.
        by_precision: those of the same image in other precisions, `int8`, `fp16` or `bf16`.
    """

    label: str | None
    fp32: int
    fp32_margin: float
    fast: int
    reduced: bool
    by_precision: Mapping[str, int]


def load_network(path: Path, crop: int, output: str) -> Network:
    """Return a function that classifies an input, 1 x 3 x crop x crop.

    Args:
        path: ONNX.
        crop: side of the input in pixels.
        output: what the network returns, one of the manifest's `OUTPUTS`.
    """
    core = openvino.Core()
    network = core.read_model(path)
    network.reshape([1, 3, crop, crop])
    # As the server does: in fp32 what is not int8, also on CPUs with bf16 units.
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()

    def classify(image: FloatArray) -> Prediction:
        return predict_scores(request.infer([image])[0], output)

    return classify


def network_input(image: Image.Image, settings: Preprocessing) -> FloatArray:
    """Return an upright RGB image as the server preprocesses it, 1 x 3 x crop x crop."""
    batch: FloatArray = evaluation_transform(settings)(image).numpy()[numpy.newaxis]
    return batch


def predict(
    images: Sequence[LabelledImage],
    settings: Preprocessing,
    fp32: Network,
    others: Mapping[str, Network],
) -> list[Predictions]:
    """Classify each image with the networks, and show the progress.

    Args:
        images: labelled or not.
        settings: of the manifest.
        fp32: the network in fp32.
        others: the same in other precisions, by their names.

    Raises:
        DataError: an image cannot be read.
    """
    predictions: list[Predictions] = []
    progress = Progress("images judged", len(images))
    for image in images:
        predictions.append(_predict_one(image, settings, fp32, others))
        progress.update(len(predictions))
    progress.end()
    return predictions


def _predict_one(
    image: LabelledImage,
    settings: Preprocessing,
    fp32: Network,
    others: Mapping[str, Network],
) -> Predictions:
    exact = read_image(image.path)
    decoded_fast = read_image(image.path, reduce_to=settings.resize)
    reduced = decoded_fast.size != exact.size
    exact_input = network_input(exact, settings)
    exact_fp32 = fp32(exact_input)
    fast = fp32(network_input(decoded_fast, settings)) if reduced else exact_fp32
    return Predictions(
        label=image.label,
        fp32=exact_fp32.index,
        fp32_margin=exact_fp32.margin,
        fast=fast.index,
        reduced=reduced,
        by_precision={name: network(exact_input).index for name, network in others.items()},
    )
