"""Labels of published weights, from a text file."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from classifier.training.errors import DataError


def read_labels(path: Path) -> tuple[str, ...]:
    """Read a text file of one label a line, as any editor writes it.

    A byte order mark, the carriage returns of Windows and blank lines at the end are not part of a
    label.

    Raises:
        DataError: not UTF-8 text, or a label that is blank, repeated or has control characters.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    # Not splitlines: a label may hold what only Unicode calls the end of a line.
    labels = text.rstrip("\n").split("\n")
    line_by_label: dict[str, int] = {}
    for number, label in enumerate(labels, start=1):
        place = f"{path}: line {number}"
        check_label(label, place)
        # Two texts that look the same are one label to everybody who reads a response.
        first = line_by_label.setdefault(unicodedata.normalize("NFC", label.strip()), number)
        if first != number:
            raise DataError(
                f"{place} has the label of line {first}, {label!r}; expected one label a line, "
                "each once: tell the two classes apart, such as 'crane (bird)'"
            )
    return tuple(labels)


def check_label(label: str, place: str) -> None:
    """Check that a label can be shown.

    Args:
        label: of a class.
        place: where it is, for the message.

    Raises:
        DataError: it is blank or has control characters.
    """
    if not label.strip():
        raise DataError(f"{place} is empty; expected one label a line")
    if controls := [character for character in label if unicodedata.category(character) == "Cc"]:
        raise DataError(
            f"{place} has the control character {controls[0]!r} in {label!r}; expected text that "
            "can be shown"
        )
