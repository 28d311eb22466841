"""The sections with figures: accuracy, classes, confusion matrix, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy

from classifier.training.dataset.scanning import SPLITS
from classifier.training.head.judging import (
    Judgement,
    accuracy_by_class,
    accuracy_interval,
    calibration_bins,
    calibration_error,
)
from classifier.training.report.contents import Report
from classifier.training.report.markup import attribute_of, label_of, percent, text_of

MAX_CLASS_ROWS: Final = 1000
MAX_MATRIX_CLASSES: Final = 200
MAX_MATRIX_LENGTH: Final = 2_000_000
_MAX_CONFUSIONS: Final = 15
# From here on, text on a cell's colour is white in light mode and black in dark mode.
_STRONG_SHARE: Final = 0.55


def accuracy_parts(report: Report) -> Iterator[str]:
    """Yield the accuracy with its interval, and the counts."""
    unseen = report.unseen
    yield '<div class="hero"><div>'
    if unseen is None:
        yield '<div class="figure">?</div>'
        yield "<p>The accuracy is not known: there are too few images to hold some back.</p>"
    else:
        low, high = accuracy_interval(unseen.right_count, unseen.count)
        yield f'<div class="figure">{percent(unseen.accuracy)}</div>'
        yield (
            f"<p>right: {unseen.right_count} of {unseen.count} images that the model has not "
            "seen</p>"
            f'<div class="interval" role="img" aria-label="95 % interval: {percent(low)} to '
            f'{percent(high)}"><i style="left:{100 * low:.1f}%;right:{100 - 100 * high:.1f}%"></i>'
            f'<b style="left:{100 * unseen.accuracy:.1f}%"></b></div>'
            '<div class="scale"><span>0 %</span><span>95 % interval '
            f"{percent(low)} to {percent(high)}</span><span>100 %</span></div>"
        )
    yield "</div><dl>"
    counts = [sum(image.split == split for image in report.images) for split in SPLITS]
    splits = f"{counts[0]} to train, {counts[1]} to validate, {counts[2]} to test"
    yield _tile("Images", str(len(report.images)), splits)
    yield _tile("Classes", str(len(report.labels)))
    trained = f"of {report.train_judged} of them" if report.train_judged < counts[0] else ""
    yield _tile("Training images right", percent(report.train_accuracy), trained)
    if unseen is not None:
        if len(report.labels) > 5:
            yield _tile("Right among the top 5", percent(unseen.top_5_accuracy))
        yield _tile("Calibration error", percent(calibration_error(unseen)))
    if report.has_features:
        yield _tile("Probably wrong labels", str(len(report.suspicious)))
    yield (f'<div><dt>Dataset version</dt><dd class="code">{report.dataset_version}</dd></div>')
    yield "</dl></div>"
    if report.judged_by:
        yield (
            f'<p class="soft">The images were computed by {text_of(report.judged_by)}, not by '
            "OpenVINO, which serves the model: a few may be classified otherwise.</p>"
        )
    if report.precision != "fp32":
        yield (
            f'<p class="soft">All figures are of the {report.precision} network, which is served '
            "unless the precision of a stage is fp32.</p>"
        )


def _tile(name: str, value: str, note: str = "") -> str:
    small = f"<small>{note}</small>" if note else ""
    return f"<div><dt>{name}</dt><dd>{value}{small}</dd></div>"


def class_parts(report: Report) -> Iterator[str]:
    """Yield a row for each class, the ones with the lowest accuracy first."""
    unseen = report.unseen
    trained = report.train_counts
    judged = accuracy_by_class(unseen, report.labels) if unseen is not None else {}
    rates = {label: right / count for label, (right, count) in judged.items()}
    order = sorted(report.labels, key=lambda label: (rates.get(label, 2), label))
    yield (
        '<div class="scroll wide" tabindex="0" role="region" aria-label="Classes">'
        '<table class="classes"><thead><tr><th scope="col">Class</th>'
        '<th scope="col" class="bar" colspan="2">Right</th>'
        '<th scope="col">Held back</th><th scope="col">To train</th></tr></thead><tbody>'
    )
    for label in order[:MAX_CLASS_ROWS]:
        row = f'<tr><th scope="row" title="{attribute_of(label)}">{label_of(label)}</th>'
        if label in judged:
            right, count = judged[label]
            row += (
                f'<td class="bar"><span style="--part:{100 * rates[label]:.0f}%"></span></td>'
                f"<td>{percent(rates[label])}</td><td>{right} of {count}</td>"
            )
        else:
            row += "<td></td><td>not known</td><td>0</td>"
        yield f"{row}<td>{trained[label]}</td></tr>"
    yield "</tbody></table></div>"
    if len(order) > MAX_CLASS_ROWS:
        yield f"<p>And {len(order) - MAX_CLASS_ROWS} more classes.</p>"


def confusion_parts(report: Report) -> Iterator[str]:
    """Yield the pairs that are confused most, and the confusion matrix unless it is too large."""
    unseen = report.unseen
    if unseen is None:
        return
    yield from _confusions(unseen, report)
    if len(report.labels) > MAX_MATRIX_CLASSES:
        return
    table = "".join(_matrix(unseen, report))
    if len(table) <= MAX_MATRIX_LENGTH:
        yield (
            '<p class="soft">A row is the label of the images, a column what the model predicts. '
            "The colour is the share of the row.</p>"
        )
        yield table


def _confusions(unseen: Judgement, report: Report) -> Iterator[str]:
    counts = unseen.confusion_matrix.copy()
    numpy.fill_diagonal(counts, 0)
    order = numpy.argsort(-counts, axis=None, kind="stable")[:_MAX_CONFUSIONS].tolist()
    class_count = len(report.labels)
    pairs = [divmod(place, class_count) for place in order]
    rows = [(own, other, int(counts[own, other])) for own, other in pairs if counts[own, other]]
    if not rows:
        yield "<p>No image was confused with another class.</p>"
        return
    yield '<ul class="rows">'
    totals = unseen.confusion_matrix.sum(axis=1)
    for own, other, count in rows:
        yield (
            f"<li>{label_of(report.labels[own])} taken for {label_of(report.labels[other])}: "
            f"{count} of {totals[own]}</li>"
        )
    yield "</ul>"


def _matrix(unseen: Judgement, report: Report) -> Iterator[str]:
    labels, counts = report.labels, unseen.confusion_matrix
    totals = counts.sum(axis=1)
    shown = [(attribute_of(label), label_of(label)) for label in labels]
    yield (
        '<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">'
        '<table class="matrix"><thead><tr><td></td>'
    )
    for title, label in shown:
        yield f'<th scope="col" title="{title}"><span>{label}</span></th>'
    yield "</tr></thead><tbody>"
    for own, (title, label) in enumerate(shown):
        yield f'<tr><th scope="row" title="{title}">{label}</th>'
        for other, count in enumerate(counts[own].tolist()):
            if not count:
                yield "<td></td>"
                continue
            share = count / totals[own]
            kind = ("right" if own == other else "wrong") + (
                " strong" if share >= _STRONG_SHARE else ""
            )
            # No cell with images in it is as pale as an empty one.
            part = 12 + 88 * share
            yield (
                f'<td class="{kind}" style="--part:{part:.0f}%" title="{title} classified as '
                f'{shown[other][0]}: {count} of {totals[own]}">{count}</td>'
            )
        yield "</tr>"
    yield "</tbody></table></div>"


def calibration_parts(report: Report) -> Iterator[str]:
    """Yield a plot of accuracy by probability."""
    unseen = report.unseen
    if unseen is None:
        return
    yield (
        f"<p>The probabilities are {percent(calibration_error(unseen))} off on average. Of the "
        "images that the model gives a probability of 80&nbsp;%, 80&nbsp;% should be right: a bar "
        "that ends at the dashed line. The red part is the difference.</p>"
    )
    side, left, top = 240, 44, 8
    bars = []
    for each in calibration_bins(unseen):
        x = left + min(9, int(each.probability * 10)) * side / 10 + 1
        low, high = sorted((each.probability, each.accuracy))
        for kind, start, end in (("share", 0.0, each.accuracy), ("gap", low, high)):
            bars.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{top + side * (1 - end):.1f}" '
                f'width="{side / 10 - 2:.1f}" height="{side * (end - start):.1f}"><title>'
                f"{each.count} images with a probability of {percent(each.probability)} on "
                f"average: {percent(each.accuracy)} right</title></rect>"
            )
    bottom, right = top + side, left + side
    yield (
        f'<svg class="plot" viewBox="0 0 {right + 20} {bottom + 24}" role="img" '
        'aria-label="Share that is right by probability">'
        f'<path class="axis" fill="none" d="M{left} {top}V{bottom}H{right}"/>'
        f"{''.join(bars)}"
        f'<path class="ideal" d="M{left} {bottom}L{right} {top}"/>'
        f'<text x="{left - 6}" y="{top + 6}" text-anchor="end">100 %</text>'
        f'<text x="{left - 6}" y="{bottom}" text-anchor="end">0 %</text>'
        f'<text x="{left}" y="{bottom + 16}">0 %</text>'
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">100 %</text></svg>'
        '<p class="soft">Across: probability of the prediction. Height: share that is right.</p>'
    )
