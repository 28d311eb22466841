"""Adds to an artifact int8, fp16 and bf16 if they are good enough, and measures decoding."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

from classifier.artifact.directory import file_sha256, read_artifact
from classifier.artifact.manifest import (
    FP16_MODEL_FILE,
    INT8_MODEL_FILE,
    MODEL_FILE,
    Manifest,
)
from classifier.training.dataset.selection import Selection
from classifier.training.dataset.transforms import read_image
from classifier.training.errors import HalfPrecisionError, QuantizationError
from classifier.training.manifest_files import write_manifest
from classifier.training.measuring.comparison import load_network, network_input, predict
from classifier.training.measuring.half_precision import convert
from classifier.training.measuring.prediction import Network
from classifier.training.measuring.quantization import quantize
from classifier.training.measuring.records import (
    compare_decoding,
    judge_bf16,
    judge_fp16,
    judge_int8,
    refusal_of,
)
from classifier.training.measuring.rounding import load_rounded_network

# With fewer, no rule says anything.
MIN_HELD_BACK_IMAGES: Final = 50


def measure(
    directory: Path, selection: Selection, *, int8: bool, fp16: bool = False, bf16: bool = False
) -> Manifest:
    """Measure on the held-back images, and write the results into the artifact's manifest.

    With `int8`, quantizes `model.onnx` and keeps `model.int8.onnx` only if the held-back images
    show that it is good enough (`acceptance.judge`); with `fp16`, the same for `model.fp16.onnx`.
    With `bf16`, judges what a processor with bf16 computes of `model.onnx`. Prints one line for
    each with the decision and its reason.

    Args:
        directory: an artifact; an int8 or fp16 network that it has is made again, or removed.
        selection: the images.
        int8: whether to quantize.
        fp16: whether to convert to half precision.
        bf16: whether to judge bf16.

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
    model_path = directory / MODEL_FILE
    others: dict[str, Network] = {}
    if made:
        others["int8"] = load_network(int8_path, crop, output)
    if converted:
        others["fp16"] = load_rounded_network(model_path, output, "fp16")
    if bf16 and (rounded := _load_bf16(model_path, output, selection)):
        others["bf16"] = rounded
    fp32 = load_network(model_path, crop, output)
    predictions = predict(selection.held_back, manifest.preprocessing, fp32, others)
    files = {MODEL_FILE: manifest.files[MODEL_FILE]}
    labels = manifest.labels
    quantization = judge_int8(predictions, labels, selection, made=made) if int8 else None
    half_precision = judge_fp16(predictions, labels, made=converted) if fp16 else None
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
        bfloat16=judge_bf16(predictions, labels, made="bf16" in others) if bf16 else None,
        fast_decoding=compare_decoding(predictions, labels),
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


def _load_bf16(model_path: Path, output: str, selection: Selection) -> Network | None:
    """Load it with roundings, unless it cannot be judged; print the reason if so."""
    if not _enough("bf16", selection):
        return None
    try:
        return load_rounded_network(model_path, output, "bf16")
    except HalfPrecisionError as error:
        print(f"{refusal_of('bf16')} {error}")
        return None


def _enough(precision: str, selection: Selection) -> bool:
    count = len(selection.held_back)
    if count < MIN_HELD_BACK_IMAGES:
        print(
            f"{refusal_of(precision)} {count} images are held back to judge it by, and "
            f"{MIN_HELD_BACK_IMAGES} are needed: give more images"
        )
    return count >= MIN_HELD_BACK_IMAGES
