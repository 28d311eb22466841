"""Labels of published weights, from a text file."""

from __future__ import annotations

from pathlib import Path

from classifier.training.errors import DataError


def read_labels(path: Path) -> tuple[str, ...]:
    """Read a text file of one label a line, as any editor writes it.

    A byte order mark, the carriage returns of Windows and blank lines at the end are not part of a
    label. A repeated label is allowed, and reported on standard output: ImageNet has two cranes.

    Raises:
        DataError: not UTF-8 text, or a line that is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    # Not splitlines: a label may hold what only Unicode calls the end of a line.
    labels = text.rstrip("\n").split("\n")
    line_by_label: dict[str, int] = {}
    for number, label in enumerate(labels, start=1):
        if not label.strip():
            raise DataError(f"{path}: line {number} is empty; expected one label a line")
        if label in line_by_label:
            print(
                f"{path}: line {number} has the label of line {line_by_label[label]}, {label!r}: "
                "only the index tells these classes apart"
            )
        line_by_label.setdefault(label, number)
    return tuple(labels)
