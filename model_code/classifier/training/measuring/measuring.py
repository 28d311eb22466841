"""Adds to an artifact the int8 network, if it is good enough, and what fast decoding changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from classifier.artifact.directory import MANIFEST_FILE, file_sha256, read_artifact
from classifier.artifact.manifest import INT8_MODEL_FILE, MODEL_FILE, Manifest
from classifier.artifact.measurements import FastDecoding, Quantization
from classifier.training.dataset.folders import read_image
from classifier.training.dataset.selection import Selection
from classifier.training.errors import QuantizationError
from classifier.training.measuring.comparison import (
    NOT_FINITE,
    Answers,
    ask,
    load_network,
    network_input,
)
from classifier.training.measuring.quantization import QUANTIZER_VERSION, quantize, tool

# 50 of 50 that agree say that at least 94 % of all do (19 times in 20); below 100, one that does
# not is too many.
FEWEST_HELD_BACK_IMAGES: Final = 50
# In thousandths, so that no rounding decides.
LEAST_AGREEMENT_PER_MILLE: Final = 990
MOST_ACCURACY_LOST_PER_MILLE: Final = 5


def measure(directory: Path, selection: Selection, *, int8: bool) -> Manifest:
    """Measure on the held-back images, and write what came out into the artifact's manifest.

    With `int8`, quantizes `model.onnx` and keeps `model.int8.onnx` only if its answers agree with
    those of fp32 on at least 99 % of the held-back images and, where their labels are known,
    the share of right ones falls by at most 0.005. One printed line says which, and why.

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
    crop = manifest.preprocessing.crop
    answers = ask(
        selection.held_back,
        manifest.preprocessing,
        load_network(directory / MODEL_FILE, crop),
        load_network(int8_path, crop) if made else None,
    )
    files = {MODEL_FILE: manifest.files[MODEL_FILE]}
    quantization = _judge(answers, manifest.labels, selection, made=made) if int8 else None
    if quantization and quantization.shipped:
        files[INT8_MODEL_FILE] = file_sha256(int8_path)
    else:
        int8_path.unlink(missing_ok=True)
    manifest = dataclasses.replace(
        manifest,
        files=files,
        quantization=quantization,
        fast_decoding=_compare_decoding(answers, manifest.labels),
    )
    (directory / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _make_int8(directory: Path, manifest: Manifest, selection: Selection) -> bool:
    """Quantize, unless it is known that this cannot be judged or done; print the reason if so."""
    count = len(selection.held_back)
    if count < FEWEST_HELD_BACK_IMAGES or not selection.calibration:
        print(
            f"int8: left out. {count} images are held back to judge it by, and "
            f"{FEWEST_HELD_BACK_IMAGES} are needed: give more images"
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
    answers: Sequence[Answers], labels: Sequence[str], selection: Selection, *, made: bool
) -> Quantization:
    agreeing = sum(answer.int8 == answer.fp32 for answer in answers)
    right_fp32 = _right(answers, labels, lambda answer: answer.fp32)
    right_int8 = _right(answers, labels, lambda answer: answer.int8)
    lost = 0 if right_fp32 is None or right_int8 is None else right_fp32 - right_int8
    shipped = (
        made
        and agreeing * 1000 >= LEAST_AGREEMENT_PER_MILLE * len(answers)
        and lost * 1000 <= MOST_ACCURACY_LOST_PER_MILLE * len(answers)
    )
    quantization = Quantization(
        tool=tool(),
        quantizer_version=QUANTIZER_VERSION,
        calibration_sha256=selection.calibration_sha256,
        calibration_pictures=len(selection.calibration),
        held_back_pictures=len(answers),
        agreement=_share(agreeing, answers) if made else None,
        fp32_accuracy=_share(right_fp32, answers) if made else None,
        int8_accuracy=_share(right_int8, answers) if made else None,
        shipped=shipped,
    )
    if made:
        print(_verdict(quantization))
    return quantization


def _verdict(quantization: Quantization) -> str:
    agreement, fp32, int8 = (
        "unknown" if share is None else f"{share:.2%}"
        for share in (
            quantization.agreement,
            quantization.fp32_accuracy,
            quantization.int8_accuracy,
        )
    )
    return (
        f"int8: {'in the artifact' if quantization.shipped else 'left out'}. Of "
        f"{quantization.held_back_pictures} held-back images it answers {agreement} like fp32 "
        f"(needed: {LEAST_AGREEMENT_PER_MILLE / 1000:.2%}); accuracy {int8}, fp32 {fp32} "
        f"(it may lose {MOST_ACCURACY_LOST_PER_MILLE / 1000:.2%})"
    )


def _compare_decoding(answers: Sequence[Answers], labels: Sequence[str]) -> FastDecoding | None:
    if not answers:
        return None
    exact = _right(answers, labels, lambda answer: answer.fp32)
    fast = _right(answers, labels, lambda answer: answer.fast)
    agreeing = sum(answer.fast == answer.fp32 for answer in answers)
    return FastDecoding(
        pictures=len(answers),
        reduced_pictures=sum(answer.reduced for answer in answers),
        agreement=round(agreeing / len(answers), 6),
        exact_accuracy=_share(exact, answers),
        fast_accuracy=_share(fast, answers),
    )


def _right(
    answers: Sequence[Answers], labels: Sequence[str], answer_of: Callable[[Answers], int | None]
) -> int | None:
    """Count the right answers; `None` if their labels are not known."""
    if any(answer.label is None for answer in answers):
        return None
    # By the label's text: ImageNet has two classes that are called "crane".
    indices = [(answer_of(answer), answer.label) for answer in answers]
    return sum(
        index not in (None, NOT_FINITE) and labels[index] == label for index, label in indices
    )


def _share(count: int | None, answers: Sequence[Answers]) -> float | None:
    return None if count is None else round(count / len(answers), 6)
