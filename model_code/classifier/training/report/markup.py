"""Pieces of HTML; every text from outside is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

MAX_PATH_LENGTH: Final = 160
MAX_LABEL_LENGTH: Final = 60


def text_of(text: str, max_length: int = MAX_PATH_LENGTH) -> str:
    """Return a text as HTML: escaped, shortened in its middle, in its own direction.

    What is not printable is written as an escape: control characters, those that change the
    direction of writing, and bytes of a file's name that are no UTF-8.
    """
    return f"<bdi>{attribute_of(text, max_length)}</bdi>"


def label_of(label: str) -> str:
    """Return a label as HTML."""
    return text_of(label, MAX_LABEL_LENGTH)


def attribute_of(text: str, max_length: int = MAX_LABEL_LENGTH) -> str:
    """Return a text as the value of an attribute, without its quotation marks."""
    if len(text) > max_length:
        half = (max_length - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return html.escape("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def percent(share: float) -> str:
    """Return a share as `93.4 %`; 100 % only where all are meant."""
    rounded = f"{100 * share:.1f}"
    if rounded == "100.0" and share < 1:
        rounded = "99.9"
    return f"{rounded.removesuffix('.0') if share in (0, 1) else rounded}\N{NO-BREAK SPACE}%"


def section(identifier: str, heading: str, parts: Iterable[str]) -> str:
    """Return a section, or nothing if it has no content."""
    content = "\n".join(parts)
    if not content:
        return ""
    return f'<section id="{identifier}"><h2>{heading}</h2>\n{content}\n</section>'
