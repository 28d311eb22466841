"""The manifest's records of what was measured, from the predictions of the held-back images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from classifier.artifact.measurements import Bfloat16, FastDecoding, HalfPrecision, Quantization
from classifier.training.dataset.selection import Selection
from classifier.training.measuring.acceptance import is_right, judge
from classifier.training.measuring.comparison import Predictions
from classifier.training.measuring.half_precision import CONVERTER_VERSION
from classifier.training.measuring.half_precision import tool as converter
from classifier.training.measuring.quantization import QUANTIZER_VERSION, tool

# bf16 has no network of its own, which could be in an artifact.
_ACCEPTED: Final = {"bf16": "allowed"}
_REFUSED: Final = {"bf16": "not allowed"}


def refusal_of(precision: str) -> str:
    """Return how a line begins that says why an artifact is without a precision."""
    return f"{precision}: {_REFUSED.get(precision, 'left out')}."


def judge_int8(
    predictions: Sequence[Predictions], labels: Sequence[str], selection: Selection, *, made: bool
) -> Quantization:
    """Judge the int8 network, and print the decision; one not made has no figures."""
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


def judge_fp16(
    predictions: Sequence[Predictions], labels: Sequence[str], *, made: bool
) -> HalfPrecision:
    """Judge the fp16 network, and print the decision; one not made has no figures."""
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


def judge_bf16(
    predictions: Sequence[Predictions], labels: Sequence[str], *, made: bool
) -> Bfloat16:
    """Judge fp32 computed in bf16, and print the decision; without a judgement, no figures."""
    figures = _compare(predictions, labels, "bf16", made=made)
    return Bfloat16(
        held_back_images=len(predictions),
        agreement=figures.agreement,
        fp32_accuracy=figures.fp32_accuracy,
        bf16_accuracy=figures.accuracy,
        accepted=figures.accepted,
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
    if not made:
        return _Figures()
    verdict = judge(predictions, labels, precision=precision)
    accepted = f"{precision}: {_ACCEPTED.get(precision, 'in the artifact')}."
    print(f"{accepted if verdict.accepted else refusal_of(precision)} {verdict.reason}")
    agreeing = sum(one.by_precision[precision] == one.fp32 for one in predictions)
    right_fp32 = _right(predictions, labels, lambda one: one.fp32)
    right = _right(predictions, labels, lambda one: one.by_precision[precision])
    return _Figures(
        agreement=_share(agreeing, predictions),
        fp32_accuracy=_share(right_fp32, predictions),
        accuracy=_share(right, predictions),
        accepted=verdict.accepted,
    )


def compare_decoding(
    predictions: Sequence[Predictions], labels: Sequence[str]
) -> FastDecoding | None:
    """Return what fast decoding changes; `None` without images."""
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
