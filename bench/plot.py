"""Bars as SVG: one row a server, one panel a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 760
_LABEL_WIDTH: Final = 190
_BAR_WIDTH: Final = 470
_ROW_HEIGHT: Final = 22
_BAR_HEIGHT: Final = 15
_TITLE_HEIGHT: Final = 34
_COLOUR_BY_KIND: Final = {
    "engine": "#9aa0a6",
    "whippet": "#1a73e8",
    "openvino": "#f9ab00",
    "torch": "#d56e6e",
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar; `kind` decides its colour."""

    label: str
    kind: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Bars under a title, drawn to a scale of their own."""

    title: str
    bars: Sequence[Bar]


def draw(panels: Sequence[Panel]) -> str:
    """Return the panels as an SVG document, one under the other."""
    height = 8
    parts: list[str] = []
    for panel in panels:
        parts.append(_text(8, height + 18, panel.title, "start", "bold"))
        height += _TITLE_HEIGHT
        longest = max((bar.value for bar in panel.bars), default=1.0) or 1.0
        for bar in panel.bars:
            parts.extend(_row(bar, height, longest))
            height += _ROW_HEIGHT
        height += 10
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, background, *parts, "</svg>"]) + "\n"


def _row(bar: Bar, top: int, longest: float) -> list[str]:
    width = max(1.0, _BAR_WIDTH * bar.value / longest)
    baseline = top + _BAR_HEIGHT - 3
    return [
        _text(_LABEL_WIDTH - 8, baseline, bar.label, "end"),
        (
            f'<rect x="{_LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{_BAR_HEIGHT}" '
            f'fill="{_COLOUR_BY_KIND[bar.kind]}"/>'
        ),
        _text(_LABEL_WIDTH + width + 6, baseline, f"{bar.value:.1f}", "start"),
    ]


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="#202124">{escape(text)}</text>'
    )
