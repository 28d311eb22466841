"""The report of a training run: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy

from classifier.errors import RequestError
from classifier.image.decoding import decode_image
from classifier.training.dataset.scanning import ImageFile, LeftOutFile
from classifier.training.head.judging import (
    Judgement,
    accuracy_by_class,
    accuracy_interval,
    calibration_error,
)
from classifier.training.head.probabilities import softmax

MAX_LEFT_OUT_ROWS: Final = 200
MAX_IMAGES: Final = 40
# Beyond these the matrix is wider than a screen; the pairs that are confused most are listed.
MAX_MATRIX_CLASSES: Final = 25
MIN_IMAGES_TO_ADVISE: Final = 100
MAX_GAP: Final = 0.05
GOOD_ACCURACY: Final = 0.9
_THUMBNAIL_PIXELS: Final = 160
_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { display: inline-block; width: 160px; margin: .5rem; vertical-align: top; }
img { max-width: 160px; max-height: 160px; } figcaption { font-size: .8rem; }
figcaption { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } .wrong { color: #b00020; } .big { font-size: 2rem; }
@media (prefers-color-scheme: dark) { .wrong { color: #ff8a80; } }
"""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a report shows.

    Attributes:
        name: of the model.
        folder: that the images' paths are relative to.
        labels: in class order.
        unseen: results on images that the head was not fitted on; `None` without any.
        unseen_images: in the order of `unseen`.
        train_accuracy: share of the training images that the head classifies right.
        suspicious: training images whose label is probably wrong, the most suspicious first, each
            with the probability of its own label and the most probable label.
        left_out: files that were not used.
        judged_by: what computed the images, where that is not what serves the model.
    """

    name: str
    folder: Path
    labels: Sequence[str]
    unseen: Judgement | None
    unseen_images: Sequence[ImageFile]
    train_accuracy: float
    suspicious: Sequence[tuple[ImageFile, float, str]]
    left_out: Sequence[LeftOutFile]
    judged_by: str | None = None


def write_report(report: Report, path: Path) -> None:
    """Write the report; names of files and classes are escaped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        f"<h1>{_text(report.name)}</h1>",
        *_accuracy(report),
        *_classes(report),
        *_mistakes(report),
        *_suspicious(report),
        *_left_out(report),
    ]
    body = "\n".join(parts)
    path.write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(report.name)}: training report</title><style>{_STYLE}</style></head>"
        f"<body>\n{body}\n</body></html>\n",
        encoding="utf-8",
        # The name of a file may be bytes that are not UTF-8.
        errors="backslashreplace",
    )


def _accuracy(report: Report) -> Iterable[str]:
    unseen = report.unseen
    if unseen is None:
        yield "<p>There were too few images to hold some back: the accuracy is not known.</p>"
        return
    low, high = accuracy_interval(unseen.right_count, unseen.count)
    yield (
        f'<p class="big">{unseen.accuracy:.1%} right</p>'
        f"<p>of {unseen.count} images that were held back (95&nbsp;% interval {low:.1%} to "
        f"{high:.1%}), {report.train_accuracy:.1%} of the images that were trained on. "
        f"Calibration error {calibration_error(unseen):.1%}: how far the probabilities are, on "
        "average, from the share that is right.</p>"
    )
    if report.judged_by:
        yield (
            f"<p>The images were computed by {_text(report.judged_by)}, not by OpenVINO, which "
            "serves the model: a few images may be classified otherwise.</p>"
        )
    yield f"<p>{_advice(report.train_accuracy, unseen)}</p>"


def _advice(train_accuracy: float, unseen: Judgement) -> str:
    if unseen.count < MIN_IMAGES_TO_ADVISE:
        return (
            f"With fewer than {MIN_IMAGES_TO_ADVISE} images held back, the accuracy is a rough "
            "estimate: add images."
        )
    if train_accuracy - unseen.accuracy > MAX_GAP:
        return (
            "The images that were trained on are classified much better than others: more images "
            "help, and fine-tuning may (MODE=finetune)."
        )
    if unseen.accuracy < GOOD_ACCURACY:
        return (
            "The network's features do not tell these classes apart well enough: fine-tuning may "
            "help (MODE=finetune), or another backbone (BACKBONE=resnet50)."
        )
    return "Trained and held-back images are classified about as well: the model can be deployed."


def _classes(report: Report) -> Iterable[str]:
    unseen = report.unseen
    if unseen is None:
        return
    yield '<h2>Classes</h2><div class="scroll"><table><tr><th>class</th><th>right</th></tr>'
    by_class = accuracy_by_class(unseen, report.labels)
    for label in sorted(by_class, key=lambda label: by_class[label][0] / by_class[label][1]):
        right, count = by_class[label]
        yield f"<tr><td>{_text(label)}</td><td>{right} of {count} ({right / count:.0%})</td></tr>"
    yield "</table></div>"
    if len(report.labels) <= MAX_MATRIX_CLASSES:
        yield from _matrix(unseen, report.labels)
    yield from _confusions(unseen, report.labels)


def _matrix(unseen: Judgement, labels: Sequence[str]) -> Iterable[str]:
    counts = unseen.confusion_matrix
    heads = "".join(f"<th>{_text(label)}</th>" for label in labels)
    yield (
        "<h2>Confusion matrix</h2><p>Rows: the label of the image. Columns: the prediction.</p>"
        f'<div class="scroll"><table><tr><th></th>{heads}</tr>'
    )
    for index, label in enumerate(labels):
        cells = "".join(
            f'<td class="wrong">{n}</td>' if n and index != place else f"<td>{n or ''}</td>"
            for place, n in enumerate(counts[index])
        )
        yield f"<tr><th>{_text(label)}</th>{cells}</tr>"
    yield "</table></div>"


def _confusions(unseen: Judgement, labels: Sequence[str]) -> Iterable[str]:
    counts = unseen.confusion_matrix.copy()
    numpy.fill_diagonal(counts, 0)
    order = numpy.argsort(-counts, axis=None, kind="stable")[:10]
    pairs = [(int(n // len(labels)), int(n % len(labels))) for n in order]
    rows = [(counts[own, other], labels[own], labels[other]) for own, other in pairs]
    if rows := [row for row in rows if row[0]]:
        yield "<h2>Confused most</h2><ul>"
        for count, own, other in rows:
            yield f"<li>{_text(own)} classified as {_text(other)}: {count}</li>"
        yield "</ul>"


def _mistakes(report: Report) -> Iterable[str]:
    unseen = report.unseen
    if unseen is None:
        return
    probabilities = softmax(unseen.logits).max(axis=1)
    wrong = numpy.flatnonzero(unseen.predicted != unseen.classes)
    wrong = wrong[numpy.argsort(-probabilities[wrong], kind="stable")][:MAX_IMAGES]
    if len(wrong):
        yield "<h2>Most confident mistakes</h2>"
    for place in wrong.tolist():
        image = report.unseen_images[place]
        predicted = report.labels[unseen.predicted[place]]
        yield _figure(
            report.folder,
            image,
            f"{image.label}, classified as {predicted} ({probabilities[place]:.0%})",
        )


def _suspicious(report: Report) -> Iterable[str]:
    if not report.suspicious:
        return
    yield (
        "<h2>Labels that are probably wrong</h2><p>Training images that a head which was fitted "
        "without them finds very unlikely to have their label. Look at each: the label may be "
        "wrong, the image may show both, or it may be a rare view.</p>"
    )
    for image, probability, label in report.suspicious[:MAX_IMAGES]:
        yield _figure(
            report.folder, image, f"{image.label} ({probability:.1%}); more probably {label}"
        )
    if len(report.suspicious) > MAX_IMAGES:
        yield f"<p>And {len(report.suspicious) - MAX_IMAGES} more.</p>"


def _left_out(report: Report) -> Iterable[str]:
    if not report.left_out:
        return
    yield f"<h2>Left out</h2><p>{len(report.left_out)} files were not used.</p><ul>"
    for file in report.left_out[:MAX_LEFT_OUT_ROWS]:
        yield f"<li>{_text(str(file.path))}: {_text(file.reason)}</li>"
    yield "</ul>"
    if len(report.left_out) > MAX_LEFT_OUT_ROWS:
        yield f"<p>And {len(report.left_out) - MAX_LEFT_OUT_ROWS} more.</p>"


def _figure(folder: Path, image: ImageFile, caption: str) -> str:
    try:
        decoded = decode_image((folder / image.path).read_bytes(), reduce_to=_THUMBNAIL_PIXELS)
    except (RequestError, OSError):
        text = f"{image.path}: {caption}"
        return f"<figure><figcaption>{_text(text)}</figcaption></figure>"
    decoded.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS))
    buffer = io.BytesIO()
    decoded.save(buffer, "JPEG", quality=75)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<figure><img alt="" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{_text(caption)}<br>{_text(str(image.path))}</figcaption></figure>"
    )


def _text(text: str) -> str:
    return html.escape(text)
