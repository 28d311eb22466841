"""What to do next, from the figures of a training run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy

from classifier.training.head.judging import (
    accuracy_by_class,
    accuracy_interval,
    calibration_bins,
    calibration_error,
)
from classifier.training.report.contents import Report
from classifier.training.report.markup import label_of, percent

MIN_IMAGES_TO_JUDGE: Final = 100
MAX_GAP: Final = 0.05
GOOD_ACCURACY: Final = 0.9
MAX_IMBALANCE: Final = 10
MIN_IMAGES_OF_CLASS: Final = 20
MIN_UNSEEN_OF_WEAK_CLASS: Final = 5
MAX_CALIBRATION_ERROR: Final = 0.1
MAX_LEFT_OUT_SHARE: Final = 0.02


@dataclass(frozen=True)
class Advice:
    """One thing to do; both texts are HTML."""

    what: str
    why: str


def advise(report: Report) -> list[Advice]:
    """Return what helps, the most useful first; what to do with a good model if nothing is left."""
    found = [
        *_about_labels(report),
        *_about_accuracy(report),
        *_about_classes(report),
        *_about_trust(report),
        *_about_files(report),
    ]
    return found or [
        Advice(
            "Deploy it.",
            "Images that were trained on and held-back images are classified about as well, and "
            "nothing looks wrong with the data.",
        )
    ]


def _about_labels(report: Report) -> Iterator[Advice]:
    if count := len(report.suspicious):
        yield Advice(
            f"Check {count} {'label' if count == 1 else 'labels'}.",
            "A head that was fitted without these images finds their labels very unlikely "
            '(<a href="#labels">Probably wrong labels</a>). Move wrong ones to the right folder '
            "and train again: it takes seconds, since the features of the images are kept.",
        )


def _about_accuracy(report: Report) -> Iterator[Advice]:
    unseen = report.unseen
    if unseen is None:
        yield Advice(
            "Add images.",
            "A class needs three images or more, so that one can be held back for the test and one "
            "for validation. Until then the accuracy is not known.",
        )
        return
    gap = report.train_accuracy - unseen.accuracy
    compared = f"{percent(report.train_accuracy)} of the training images are classified right, "
    compared += f"{percent(unseen.accuracy)} of the others"
    if gap > MAX_GAP:
        known = f"{compared}: the model knows its training images better than their classes. More "
        if report.has_features:
            fine_tune = "images help most; fine-tuning may help (<code>MODE=finetune</code>)."
            yield Advice("Add images, or fine-tune.", known + fine_tune)
        else:
            yield Advice("Add images.", f"{known}images help most.")
    elif unseen.accuracy < GOOD_ACCURACY:
        if report.has_features:
            yield Advice(
                "Fine-tune, or use another backbone.",
                f"{compared}: the features of the backbone do not tell these classes apart. "
                "<code>MODE=finetune</code> learns others; <code>BACKBONE=resnet50</code> has "
                "others.",
            )
        else:
            yield Advice(
                "Train longer, or use another backbone.",
                f"{compared}: the network does not tell these classes apart yet. "
                "<code>BACKBONE=resnet50</code> takes another one.",
            )


def _about_classes(report: Report) -> Iterator[Advice]:
    counts = report.train_counts
    fewest, most = min(counts, key=lambda label: counts[label]), max(counts.values())
    if most >= MAX_IMBALANCE * counts[fewest]:
        yield Advice(
            f"Add images of {label_of(fewest)}.",
            f"It has {_images(counts[fewest])} to train on, the largest class {most}: a class of "
            "few images is recognized less often."
            + (
                " <code>--balanced</code> makes each class count the same."
                if report.has_features
                else ""
            ),
        )
    elif counts[fewest] < MIN_IMAGES_OF_CLASS:
        small = [label for label, count in counts.items() if count < MIN_IMAGES_OF_CLASS]
        named = ", ".join(map(label_of, small[:5])) + (" and others" if len(small) > 5 else "")
        yield Advice(
            f"Add images of {named}.",
            f"Fewer than {MIN_IMAGES_OF_CLASS} images to train on show little of a class.",
        )
    yield from _about_weakest(report)


def _about_weakest(report: Report) -> Iterator[Advice]:
    unseen = report.unseen
    if unseen is None:
        return
    rates = {
        label: right / count
        for label, (right, count) in accuracy_by_class(unseen, report.labels).items()
        if count >= MIN_UNSEEN_OF_WEAK_CLASS
    }
    weakest = min(rates, key=lambda label: rates[label], default=None)
    if weakest is None or rates[weakest] > unseen.accuracy - 2 * MAX_GAP:
        return
    index = list(report.labels).index(weakest)
    row = unseen.confusion_matrix[index].copy()
    row[index] = 0
    other = report.labels[int(numpy.argmax(row))]
    yield Advice(
        f"Look at {label_of(weakest)}.",
        f"{percent(rates[weakest])} of its images are classified right, fewer than of any other "
        f"class; most often it is taken for {label_of(other)}. Add images that show the "
        "difference, or merge the two classes.",
    )


def _about_trust(report: Report) -> Iterator[Advice]:
    unseen = report.unseen
    if unseen is None:
        return
    if unseen.count < MIN_IMAGES_TO_JUDGE:
        low, high = accuracy_interval(unseen.right_count, unseen.count)
        yield Advice(
            "Add images to judge by.",
            f"{unseen.count} images give a rough estimate: the accuracy may be {percent(low)} or "
            f"{percent(high)}. {MIN_IMAGES_TO_JUDGE} or more tell models apart.",
        )
    if similar := report.similar_unseen:
        is_new = numpy.array([image.path not in similar for image in report.unseen_images])
        right = (unseen.predicted == unseen.classes)[is_new]
        without = f" Without them the accuracy is {percent(right.mean())}." if len(right) else ""
        yield Advice(
            "Remove near duplicates.",
            f"{len(similar)} of the {unseen.count} images that the model is judged by look nearly "
            f'like a training image (<a href="#similar">Near duplicates</a>), which flatters it.'
            + without,
        )
    if unseen.count >= MIN_IMAGES_TO_JUDGE and calibration_error(unseen) > MAX_CALIBRATION_ERROR:
        gap = sum(
            each.count * (each.probability - each.accuracy) for each in calibration_bins(unseen)
        )
        yield Advice(
            "Do not take the probabilities literally.",
            f"They are {percent(calibration_error(unseen))} off on average, mostly too "
            f"{'high' if gap > 0 else 'low'}.",
        )


def _about_files(report: Report) -> Iterator[Advice]:
    count = len(report.left_out)
    if count > MAX_LEFT_OUT_SHARE * (count + len(report.images)):
        yield Advice(
            "Look at the files that were left out.",
            f'{count} of {count + len(report.images)} were not used (<a href="#left-out">Files '
            "left out</a>).",
        )


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"
