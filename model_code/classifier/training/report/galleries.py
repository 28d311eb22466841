"""The sections with images and files: mistakes, wrong labels, near duplicates, left-out files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy

from classifier.training.dataset.near_duplicates import MAX_IMAGES
from classifier.training.report.contents import Report
from classifier.training.report.markup import label_of, percent, text_of
from classifier.training.report.thumbnails import Thumbnails

MAX_MISTAKES: Final = 36
MAX_SUSPICIOUS: Final = 60
MAX_SIMILAR: Final = 24
MAX_LEFT_OUT_ROWS: Final = 200
_MAX_REASONS: Final = 10
_SMALLEST_SHOWN: Final = 0.001


def mistake_parts(report: Report, thumbnails: Thumbnails) -> Iterator[str]:
    """Yield the held-back images that are classified wrong with the highest probability."""
    unseen = report.unseen
    if unseen is None:
        return
    certainty = unseen.probabilities.max(axis=1)
    wrong = numpy.flatnonzero(unseen.predicted != unseen.classes)
    wrong = wrong[numpy.argsort(-certainty[wrong], kind="stable")]
    if not len(wrong):
        return
    yield (
        "<p>Held-back images that the model is most certain of and wrong about. Some may have a "
        "wrong label.</p>"
        '<div class="images">'
    )
    for place in wrong[:MAX_MISTAKES].tolist():
        image = report.unseen_images[place]
        predicted = report.labels[int(unseen.predicted[place])]
        yield _figure(
            thumbnails.image(image),
            f"<b>{label_of(image.label)}</b>, predicted: "
            f'<b class="wrong">{label_of(predicted)}</b> '
            f"with {percent(float(certainty[place]))}",
            str(image.path),
        )
    yield "</div>" + _and_more(len(wrong) - MAX_MISTAKES)


def label_parts(report: Report, thumbnails: Thumbnails) -> Iterator[str]:
    """Yield the training images whose label is probably wrong, or why they are not known."""
    if not report.has_features:
        yield (
            "<p>Not looked for: they are found by the features of a frozen network, which "
            "fine-tuning does not have. <code>make train</code> with <code>MODE=head</code> on the "
            "same images lists them, and near duplicates, in a minute.</p>"
        )
    if not report.suspicious:
        return
    yield (
        "<p>Training images that a head which was fitted without them finds very unlikely to have "
        "their label. Look at each: the label may be wrong, the image may show both classes, or it "
        "may be a rare view that the model needs. <code>label_suspicion.jsonl</code> beside this "
        "report has all training images in this order.</p>"
        '<div class="images">'
    )
    for one in report.suspicious[:MAX_SUSPICIOUS]:
        yield _figure(
            thumbnails.image(one.image),
            f'labelled <b class="wrong">{label_of(one.image.label)}</b> '
            f"({_small(one.probability)}), looks like <b>{label_of(one.likely)}</b>",
            str(one.image.path),
        )
    yield "</div>" + _and_more(len(report.suspicious) - MAX_SUSPICIOUS)


def similar_parts(report: Report, thumbnails: Thumbnails) -> Iterator[str]:
    """Yield the pairs of a held-back and a training image that look nearly the same."""
    if not report.has_features:
        return
    if report.similar is None:
        yield f"<p>Not looked for: there are more than {MAX_IMAGES:,} images.</p>"
        return
    if not report.similar:
        return
    yield (
        "<p>Held-back images (left) that look nearly like a training image (right): the same "
        "scene, or a copy with another size or compression. The model is judged too well by them. "
        "Keep both in one split, or delete one.</p>"
        '<div class="images pairs">'
    )
    for one in report.similar[:MAX_SIMILAR]:
        labels = f"<b>{label_of(one.held_back.label)}</b>"
        if one.train.label != one.held_back.label:
            labels += f' and <b class="wrong">{label_of(one.train.label)}</b>'
        yield _figure(
            thumbnails.image(one.held_back) + thumbnails.image(one.train),
            f"{labels}, similarity {one.similarity:.2f}",
            str(one.held_back.path),
            str(one.train.path),
        )
    yield "</div>" + _and_more(len(report.similar) - MAX_SIMILAR)


def left_out_parts(report: Report) -> Iterator[str]:
    """Yield the reasons for which files were left out, and the files."""
    files = report.left_out
    if not files:
        return
    reasons = Counter(file.reason for file in files)
    yield f'<p>Files that were not used: {len(files)}.</p><ul class="rows">'
    for reason, count in reasons.most_common(_MAX_REASONS):
        yield f"<li>{count}: {text_of(reason)}</li>"
    yield "</ul><details><summary>The files</summary><ul class='rows'>"
    for file in files[:MAX_LEFT_OUT_ROWS]:
        yield f"<li>{text_of(str(file.path))}: {text_of(file.reason)}</li>"
    yield "</ul>" + _and_more(len(files) - MAX_LEFT_OUT_ROWS) + "</details>"


def _small(probability: float) -> str:
    return percent(probability) if probability >= _SMALLEST_SHOWN else "below 0.1 %"


def _figure(images: str, caption: str, *paths: str) -> str:
    lines = "".join(f'<span class="path">{text_of(path)}</span>' for path in paths)
    return (
        f'<figure><div class="frame">{images}</div>'
        f"<figcaption>{caption}{lines}</figcaption></figure>"
    )


def _and_more(count: int) -> str:
    return f"<p>And {count} more.</p>" if count > 0 else ""
