"""Adds to an artifact the int8 network, if it is good enough, and what fast decoding changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from classifier.artifact.directory import file_sha256, read_artifact
from classifier.artifact.manifest import INT8_MODEL_FILE, MODEL_FILE, Manifest
from classifier.artifact.measurements import FastDecoding, Quantization
from classifier.training.dataset.selection import Selection
from classifier.training.dataset.transforms import read_image
from classifier.training.errors import QuantizationError
from classifier.training.manifest_files import write_manifest
from classifier.training.measuring.acceptance import is_right, judge_int8
from classifier.training.measuring.comparison import (
    Predictions,
    load_network,
    network_input,
    predict,
)
from classifier.training.measuring.quantization import QUANTIZER_VERSION, quantize, tool

# With fewer, no rule says anything.
MIN_HELD_BACK_IMAGES: Final = 50


def measure(directory: Path, selection: Selection, *, int8: bool) -> Manifest:
    """Measure on the held-back images, and write the results into the artifact's manifest.

    With `int8`, quantizes `model.onnx` and keeps `model.int8.onnx` only if the held-back images
    show that it is good enough (`acceptance.judge_int8`). Prints one line with the decision and its
    reason.

    Args:
        directory: an artifact; an int8 network that it has is made again, or removed.
        selection: the images.
        int8: whether to quantize.

    Returns:
        The new manifest.

    Raises:
        ArtifactError: the artifact cannot be read.
        DataError: an image cannot be read.
    """
    manifest, int8_path = read_artifact(directory).manifest, directory / INT8_MODEL_FILE
    int8_path.unlink(missing_ok=True)
    made = int8 and _make_int8(directory, manifest, selection)
    crop, output = manifest.preprocessing.crop, manifest.output
    predictions = predict(
        selection.held_back,
        manifest.preprocessing,
        load_network(directory / MODEL_FILE, crop, output),
        load_network(int8_path, crop, output) if made else None,
    )
    files = {MODEL_FILE: manifest.files[MODEL_FILE]}
    quantization = _judge(predictions, manifest.labels, selection, made=made) if int8 else None
    if quantization and quantization.shipped:
        files[INT8_MODEL_FILE] = file_sha256(int8_path)
    else:
        int8_path.unlink(missing_ok=True)
    manifest = dataclasses.replace(
        manifest,
        files=files,
        quantization=quantization,
        fast_decoding=_compare_decoding(predictions, manifest.labels),
    )
    write_manifest(manifest, directory)
    return manifest


def _make_int8(directory: Path, manifest: Manifest, selection: Selection) -> bool:
    """Quantize, unless it is known that this cannot be judged or done; print the reason if so."""
    count = len(selection.held_back)
    if count < MIN_HELD_BACK_IMAGES or not selection.calibration:
        print(
            f"int8: left out. {count} images are held back to judge it by, and "
            f"{MIN_HELD_BACK_IMAGES} are needed: give more images"
        )
        return False
    print(f"int8: quantizing with {len(selection.calibration)} images", flush=True)
    try:
        quantize(
            directory / MODEL_FILE,
            directory / INT8_MODEL_FILE,
            selection.calibration,
            lambda image: network_input(read_image(image.path), manifest.preprocessing),
        )
    except QuantizationError as error:
        print(f"int8: left out. {error}")
        return False
    return True


def _judge(
    predictions: Sequence[Predictions], labels: Sequence[str], selection: Selection, *, made: bool
) -> Quantization:
    agreeing = sum(one.int8 == one.fp32 for one in predictions)
    right_fp32 = _right(predictions, labels, lambda one: one.fp32)
    right_int8 = _right(predictions, labels, lambda one: one.int8)
    verdict = judge_int8(predictions, labels) if made else None
    quantization = Quantization(
        tool=tool(),
        quantizer_version=QUANTIZER_VERSION,
        calibration_sha256=selection.calibration_sha256,
        calibration_images=len(selection.calibration),
        held_back_images=len(predictions),
        agreement=_share(agreeing, predictions) if made else None,
        fp32_accuracy=_share(right_fp32, predictions) if made else None,
        int8_accuracy=_share(right_int8, predictions) if made else None,
        shipped=bool(verdict and verdict.accepted),
    )
    if verdict:
        print(f"int8: {'in the artifact' if verdict.accepted else 'left out'}. {verdict.reason}")
    return quantization


def _compare_decoding(
    predictions: Sequence[Predictions], labels: Sequence[str]
) -> FastDecoding | None:
    if not predictions:
        return None
    exact = _right(predictions, labels, lambda one: one.fp32)
    fast = _right(predictions, labels, lambda one: one.fast)
    agreeing = sum(one.fast == one.fp32 for one in predictions)
    return FastDecoding(
        images=len(predictions),
        reduced_images=sum(one.reduced for one in predictions),
        agreement=round(agreeing / len(predictions), 6),
        exact_accuracy=_share(exact, predictions),
        fast_accuracy=_share(fast, predictions),
    )


def _right(
    predictions: Sequence[Predictions],
    labels: Sequence[str],
    prediction_of: Callable[[Predictions], int | None],
) -> int | None:
    """Count the correct predictions; `None` if the labels are not known."""
    if any(one.label is None for one in predictions):
        return None
    return sum(is_right(prediction_of(one), one.label, labels) for one in predictions)


def _share(count: int | None, predictions: Sequence[Predictions]) -> float | None:
    return None if count is None else round(count / len(predictions), 6)
