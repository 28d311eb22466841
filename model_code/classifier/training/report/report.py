"""Write the report of a training run: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from classifier.training.report.advice import advise
from classifier.training.report.contents import Report
from classifier.training.report.figures import (
    accuracy_parts,
    calibration_parts,
    class_parts,
    confusion_parts,
)
from classifier.training.report.galleries import (
    label_parts,
    left_out_parts,
    mistake_parts,
    similar_parts,
)
from classifier.training.report.markup import attribute_of, section, text_of
from classifier.training.report.style import STYLE
from classifier.training.report.thumbnails import Thumbnails

REPORT_FILE: Final = "report.html"
# It runs no script and loads nothing, whatever the names of files and classes are.
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(report: Report, path: Path) -> None:
    """Write the report, of at most 10 MB; names of files and classes are escaped."""
    thumbnails = Thumbnails(report.folder)
    sections = {
        "accuracy": ("Accuracy on unseen images", accuracy_parts(report)),
        "next": ("What to do next", _advice_parts(report)),
        "classes": ("Classes", class_parts(report)),
        "confusion": ("Confused classes", confusion_parts(report)),
        "labels": ("Probably wrong labels", label_parts(report, thumbnails)),
        "mistakes": ("Most confident mistakes", mistake_parts(report, thumbnails)),
        "similar": ("Near duplicates", similar_parts(report, thumbnails)),
        "calibration": ("Calibration", calibration_parts(report)),
        "left-out": ("Files left out", left_out_parts(report)),
    }
    written = {
        identifier: section(identifier, heading, parts)
        for identifier, (heading, parts) in sections.items()
    }
    links = " ".join(
        f'<a href="#{identifier}">{sections[identifier][0]}</a>'
        for identifier, content in written.items()
        if content
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{attribute_of(report.name)}: training report</title><style>{STYLE}</style>"
        "</head>\n"
        f'<body><main><header><p class="soft">Training report</p><h1>{text_of(report.name)}</h1>'
        f'<nav aria-label="Sections">{links}</nav></header>\n'
        + "\n".join(filter(None, written.values()))
        + "\n</main></body></html>\n",
        encoding="utf-8",
    )


def _advice_parts(report: Report) -> Iterator[str]:
    yield '<ol class="advice">'
    for advice in advise(report):
        yield f"<li><b>{advice.what}</b> {advice.why}</li>"
    yield "</ol>"
