"""Adds to an artifact the int8 and fp16 networks if they are good enough, and measures decoding."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.artifact.directory import file_sha256, read_artifact
from classifier.artifact.manifest import (
    FP16_MODEL_FILE,
    INT8_MODEL_FILE,
    MODEL_FILE,
    Manifest,
)
from classifier.artifact.measurements import FastDecoding, HalfPrecision, Quantization
from classifier.training.dataset.selection import Selection
from classifier.training.dataset.transforms import read_image
from classifier.training.errors import HalfPrecisionError, QuantizationError
from classifier.training.manifest_files import write_manifest
from classifier.training.measuring.acceptance import is_right, judge
from classifier.training.measuring.comparison import (
    Predictions,
    load_network,
    network_input,
    predict,
)
from classifier.training.measuring.half_precision import (
    CONVERTER_VERSION,
    convert,
    load_rounded_network,
)
from classifier.training.measuring.half_precision import tool as converter
from classifier.training.measuring.quantization import QUANTIZER_VERSION, quantize, tool

# With fewer, no rule says anything.
MIN_HELD_BACK_IMAGES: Final = 50


def measure(directory: Path, selection: Selection, *, int8: bool, fp16: bool = False) -> Manifest:
    """Measure on the held-back images, and write the results into the artifact's manifest.

    With `int8`, quantizes `model.onnx` and keeps `model.int8.onnx` only if the held-back images
    show that it is good enough (`acceptance.judge`); with `fp16`, the same for `model.fp16.onnx`.
    Prints one line for each with the decision and its reason.

    Args:
        directory: an artifact; an int8 or fp16 network that it has is made again, or removed.
        selection: the images.
        int8: whether to quantize.
        fp16: whether to convert to half precision.

    Returns:
        The new manifest.

    Raises:
        ArtifactError: the artifact cannot be read.
        DataError: an image cannot be read.
    """
    manifest = read_artifact(directory).manifest
    int8_path, fp16_path = directory / INT8_MODEL_FILE, directory / FP16_MODEL_FILE
    for path in (int8_path, fp16_path):
        path.unlink(missing_ok=True)
    made = int8 and _make_int8(directory, manifest, selection)
    converted = fp16 and _make_fp16(directory, selection)
    crop, output = manifest.preprocessing.crop, manifest.output
    predictions = predict(
        selection.held_back,
        manifest.preprocessing,
        load_network(directory / MODEL_FILE, crop, output),
        load_network(int8_path, crop, output) if made else None,
        load_rounded_network(directory / MODEL_FILE, output) if converted else None,
    )
    files = {MODEL_FILE: manifest.files[MODEL_FILE]}
    labels = manifest.labels
    quantization = _judge_int8(predictions, labels, selection, made=made) if int8 else None
    half_precision = _judge_fp16(predictions, labels, made=converted) if fp16 else None
    for path, record in ((int8_path, quantization), (fp16_path, half_precision)):
        if record and record.shipped:
            files[path.name] = file_sha256(path)
        else:
            path.unlink(missing_ok=True)
    manifest = dataclasses.replace(
        manifest,
        files=files,
        quantization=quantization,
        half_precision=half_precision,
        fast_decoding=_compare_decoding(predictions, manifest.labels),
    )
    write_manifest(manifest, directory)
    return manifest


def _make_int8(directory: Path, manifest: Manifest, selection: Selection) -> bool:
    """Quantize, unless it is known that this cannot be judged or done; print the reason if so."""
    if not _enough("int8", selection):
        return False
    if not selection.calibration:
        print("int8: left out. No image is left to set its ranges by: give more images")
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


def _make_fp16(directory: Path, selection: Selection) -> bool:
    """Convert, unless it is known that this cannot be judged or done; print the reason if so."""
    if not _enough("fp16", selection):
        return False
    try:
        convert(directory / MODEL_FILE, directory / FP16_MODEL_FILE)
    except HalfPrecisionError as error:
        print(f"fp16: left out. {error}")
        return False
    return True


def _enough(precision: str, selection: Selection) -> bool:
    count = len(selection.held_back)
    if count < MIN_HELD_BACK_IMAGES:
        print(
            f"{precision}: left out. {count} images are held back to judge it by, and "
            f"{MIN_HELD_BACK_IMAGES} are needed: give more images"
        )
    return count >= MIN_HELD_BACK_IMAGES


def _judge_int8(
    predictions: Sequence[Predictions], labels: Sequence[str], selection: Selection, *, made: bool
) -> Quantization:
    figures = _compare(predictions, labels, "int8", made=made)
    return Quantization(
        tool=tool(),
        quantizer_version=QUANTIZER_VERSION,
        calibration_sha256=selection.calibration_sha256,
        calibration_images=len(selection.calibration),
        held_back_images=len(predictions),
        agreement=figures.agreement,
        fp32_accuracy=figures.fp32_accuracy,
        int8_accuracy=figures.accuracy,
        shipped=figures.accepted,
    )


def _judge_fp16(
    predictions: Sequence[Predictions], labels: Sequence[str], *, made: bool
) -> HalfPrecision:
    figures = _compare(predictions, labels, "fp16", made=made)
    return HalfPrecision(
        tool=converter(),
        converter_version=CONVERTER_VERSION,
        held_back_images=len(predictions),
        agreement=figures.agreement,
        fp32_accuracy=figures.fp32_accuracy,
        fp16_accuracy=figures.accuracy,
        shipped=figures.accepted,
    )


@dataclass(frozen=True)
class _Figures:
    """A network beside fp32; shares are `None` where they are not known."""

    agreement: float | None = None
    fp32_accuracy: float | None = None
    accuracy: float | None = None
    accepted: bool = False


def _compare(
    predictions: Sequence[Predictions], labels: Sequence[str], precision: str, *, made: bool
) -> _Figures:
    """Judge the network of `precision`, and print the decision; one not made has no figures."""
    if not made:
        return _Figures()
    verdict = judge(predictions, labels, precision=precision)
    print(f"{precision}: {'in the artifact' if verdict.accepted else 'left out'}. {verdict.reason}")
    agreeing = sum(one.of(precision) == one.fp32 for one in predictions)
    right_fp32 = _right(predictions, labels, lambda one: one.fp32)
    right = _right(predictions, labels, lambda one: one.of(precision))
    return _Figures(
        agreement=_share(agreeing, predictions),
        fp32_accuracy=_share(right_fp32, predictions),
        accuracy=_share(right, predictions),
        accepted=verdict.accepted,
    )


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
