"""The rules by which an int8 network is served or left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from classifier.training.measuring.acceptance import judge
from classifier.training.measuring.comparison import Predictions
from classifier.training.measuring.prediction import NOT_FINITE

LABELS = ("owl", "crane", "crane")


def predictions(
    count: int, *, changed: int, margin: float = 0.9, label: str | None = "owl", fp32: int = 0
) -> list[Predictions]:
    """Return the predictions of images, of which int8 changes some."""
    return [
        Predictions(
            label=label,
            fp32=fp32,
            fp32_margin=margin,
            fast=fp32,
            reduced=False,
            by_precision={"int8": 1 - fp32 if number < changed else fp32},
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("clear", "changed", "unclear", "accepted"),
    [
        (100, 1, 0, True),
        (99, 1, 0, False),
        (50, 0, 0, True),
        (49, 0, 900, False),
        (200, 2, 700, True),
        (200, 3, 700, False),
    ],
)
@pytest.mark.parametrize("label", ["owl", None])
def test_with_few_images_clear_predictions_must_stay(
    clear: int, changed: int, unclear: int, accepted: bool, label: str | None
) -> None:
    """All that are not clear change, and count for nothing."""
    found = predictions(clear, changed=changed, label=label, margin=0.3301)
    found += predictions(unclear, changed=unclear, label=label, margin=0.33)
    assert judge(found, LABELS, precision="int8").accepted is accepted


@pytest.mark.parametrize(
    ("count", "lost", "won", "accepted"),
    [
        (1000, 5, 0, True),
        (1000, 6, 0, False),
        (2000, 10, 0, True),
        (2000, 11, 0, False),
        # The same loss of nothing, by more and more images that change.
        (1000, 29, 29, True),
        (1000, 30, 30, False),
        (4000, 90, 90, True),
    ],
)
def test_with_many_images_the_loss_and_its_interval_decide(
    count: int, lost: int, won: int, accepted: bool
) -> None:
    """Changes where fp32 was right are lost, those where it was wrong are won."""
    found = predictions(count - won, changed=lost)
    found += predictions(won, changed=won, fp32=1)
    verdict = judge(found, LABELS, precision="int8")
    assert verdict.accepted is accepted
    assert f"{(lost - won) / count * 100:.2f} points less right than fp32" in verdict.reason


def test_many_images_without_labels_are_judged_by_their_changes() -> None:
    assert judge(predictions(3000, changed=30, label=None), LABELS, precision="int8").accepted
    assert not judge(predictions(3000, changed=31, label=None), LABELS, precision="int8").accepted


def test_a_class_of_the_same_name_is_as_right_and_what_is_not_finite_is_wrong() -> None:
    found = [
        Predictions("crane", 1, fp32_margin=1, fast=1, reduced=False, by_precision={"int8": 2})
    ] * 1000
    assert judge(found, LABELS, precision="int8").accepted
    broken = [replace(found[0], by_precision={"int8": NOT_FINITE})] * 1000
    assert not judge(broken, LABELS, precision="int8").accepted
