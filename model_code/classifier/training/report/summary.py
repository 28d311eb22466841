"""What a training run prints: the dataset, what was left out, and how good the result is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from classifier.training.dataset.scanning import LeftOutFile, Scan
from classifier.training.head.judging import Judgement, accuracy_by_class, accuracy_interval
from classifier.training.report.contents import Report

_MAX_SHOWN: Final = 5


def _printable(text: object) -> str:
    """Escape what would change the terminal: names of files and folders may hold anything."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def print_counts(scan: Scan) -> None:
    """Print how many images and classes there are."""
    counts = sorted(Counter(image.label for image in scan.images).values())
    fewest, most = counts[0], counts[-1]
    each = f"{fewest} each" if fewest == most else f"{fewest} to {most} each"
    print(f"{len(scan.images)} images of {len(scan.labels)} classes, {each}", flush=True)


def print_left_out(files: Sequence[LeftOutFile]) -> None:
    """Print the first of the files that were not used, and why."""
    if not files:
        return
    print(f"Files that are left out: {len(files)}")
    for file in files[:_MAX_SHOWN]:
        print(f"  {_printable(file.path)}: {_printable(file.reason)}")
    if len(files) > _MAX_SHOWN:
        print(f"  and {len(files) - _MAX_SHOWN} more")


def print_accuracy(judgement: Judgement | None, labels: Sequence[str]) -> None:
    """Print the accuracy on unseen images, and the classes with the lowest."""
    if judgement is None:
        print("There are too few images to hold some back, so the accuracy is not known.")
        return
    low, high = accuracy_interval(judgement.right_count, judgement.count)
    print(
        f"Accuracy on {judgement.count} images that were held back: {judgement.accuracy:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%})"
    )
    by_class = accuracy_by_class(judgement, labels)
    worst = sorted(by_class, key=lambda label: by_class[label][0] / by_class[label][1])
    for label in worst[:_MAX_SHOWN]:
        right, count = by_class[label]
        if right < count:
            print(f"  {_printable(label)}: {right} of {count}")


def print_suspicious(report: Report) -> None:
    """Print how many labels are probably wrong, and one of them."""
    if report.suspicious:
        worst = report.suspicious[0]
        count = len(report.suspicious)
        labels = "1 label is" if count == 1 else f"{count} labels are"
        print(
            f"{labels} probably wrong: {_printable(worst.image.path)} "
            f"looks like {_printable(worst.likely)}, for example. The report shows them"
        )
