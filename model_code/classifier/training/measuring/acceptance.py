"""Whether int8, fp16 or bf16 is good enough to be served: its predictions beside fp32's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from classifier.training.head.judging import Z_OF_95_PERCENT
from classifier.training.measuring.comparison import Predictions
from classifier.training.measuring.prediction import NOT_FINITE

# With fewer labelled images, a loss of half a point is within the chance of the sample.
MIN_IMAGES_FOR_ACCURACY: Final = 1000
# In thousandths, so that no rounding decides.
MAX_ACCURACY_LOSS_PER_MILLE: Final = 5
# Of the upper end of the loss's 95 % interval.
MAX_LOSS_BOUND: Final = 0.015
# The difference of the two highest probabilities: below it, a network that is as good as fp32
# often has another first class.
CLEAR_MARGIN: Final = 0.33
MAX_CHANGED_PER_MILLE: Final = 10
# 50 of 50 that stay the same say that at least 94 % of all do (19 times in 20).
MIN_CLEAR_IMAGES: Final = 50


@dataclass(frozen=True)
class Verdict:
    """Whether the network is accepted, and the figures that decided."""

    accepted: bool
    reason: str


def judge(predictions: Sequence[Predictions], labels: Sequence[str], *, precision: str) -> Verdict:
    """Decide by accuracy with 1,000 labelled images or more, else by clear predictions that change.

    Args:
        predictions: of the held-back images, by both networks.
        labels: of the model.
        precision: that is judged, `int8`, `fp16` or `bf16`.
    """
    if len(predictions) < MIN_IMAGES_FOR_ACCURACY or any(one.label is None for one in predictions):
        return _by_changes(predictions, precision)
    return _by_accuracy(predictions, labels, precision)


def is_right(prediction: int | None, label: str | None, labels: Sequence[str]) -> bool:
    """Return whether the class of that index has this label."""
    # By the label's text: ImageNet has two classes that are called "crane".
    return prediction not in (None, NOT_FINITE) and labels[prediction] == label


def _by_accuracy(
    predictions: Sequence[Predictions], labels: Sequence[str], precision: str
) -> Verdict:
    count = len(predictions)
    # For each image 1 if it alone is wrong, -1 if fp32 alone is.
    losses = [
        is_right(one.fp32, one.label, labels)
        - is_right(one.by_precision[precision], one.label, labels)
        for one in predictions
    ]
    lost = sum(losses)
    loss = lost / count
    variance = sum(each**2 for each in losses) / count - loss**2
    bound = loss + Z_OF_95_PERCENT * math.sqrt(variance / count)
    return Verdict(
        lost * 1000 <= MAX_ACCURACY_LOSS_PER_MILLE * count and bound <= MAX_LOSS_BOUND,
        f"Of {count} held-back images it classifies {loss * 100:.2f} points less right than fp32 "
        f"(at most {MAX_ACCURACY_LOSS_PER_MILLE / 10:.2f} are allowed), by the upper end of the "
        f"95 % interval {bound * 100:.2f} (at most {MAX_LOSS_BOUND * 100:.2f})",
    )


def _by_changes(predictions: Sequence[Predictions], precision: str) -> Verdict:
    clear = [one for one in predictions if one.fp32_margin > CLEAR_MARGIN]
    changed = sum(one.by_precision[precision] != one.fp32 for one in clear)
    found = (
        f"Of {len(predictions)} held-back images fp32 classifies {len(clear)} clearly (with a "
        f"margin above {CLEAR_MARGIN})"
    )
    if len(clear) < MIN_CLEAR_IMAGES:
        return Verdict(
            accepted=False, reason=f"{found}, and {MIN_CLEAR_IMAGES} are needed: give more images"
        )
    return Verdict(
        changed * 1000 <= MAX_CHANGED_PER_MILLE * len(clear),
        f"{found}; {precision} changes {changed} of these (at most "
        f"{MAX_CHANGED_PER_MILLE / 10:g} % are allowed)",
    )
